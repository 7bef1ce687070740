"""The gateway: HTTP, personas, the chat turn, the engine driver, settings, CLI. The only composition root."""
