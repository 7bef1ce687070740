"""The engine: the HTTP client that asks vLLM, and the driver that runs it."""
