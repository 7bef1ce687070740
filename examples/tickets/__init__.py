"""A small ticket tracker: a real HTTP service for the demo personas. Knows nothing of Repertory."""
