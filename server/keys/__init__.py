"""API keys: stored hashed, scoped, limited to personas; who may come in without one."""
