"""Any application behind a real web server on a free port of loopback, in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving_app(app: ASGIApp) -> Iterator[str]:
    """Serve `app` until the block ends, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        ready = threading.Event()
        server.config.load()
        thread = threading.Thread(target=_serve, args=(server, listener, ready))
        thread.start()
        assert ready.wait(10)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def _serve(server: uvicorn.Server, listener: socket.socket, ready: threading.Event) -> None:
    ready.set()  # the listener already queues connections
    server.run(sockets=[listener])
