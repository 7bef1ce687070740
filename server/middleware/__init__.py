"""Pure ASGI layers around every route: request id, who may knock, what may be carried in."""
