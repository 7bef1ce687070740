"""Routes: thin functions from HTTP to the services, one module a subject."""
