"""A test's gateway behind a real web server on a free loopback port, in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import anyio
import uvicorn

from tests.server.conftest import Gateway

_START_SECONDS = 60


@contextmanager
def serving(starting: AbstractAsyncContextManager[Gateway]) -> Iterator[Gateway]:
    """Start the gateway, serve it, and yield it with its address as `base`."""
    ready, stop = threading.Event(), threading.Event()
    running: list[Gateway] = []

    async def serve() -> None:
        async with starting as gateway:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                gateway.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
                config = uvicorn.Config(gateway.app, log_level="critical", lifespan="off", ws="none")
                server = uvicorn.Server(config)
                async with anyio.create_task_group() as group:
                    group.start_soon(server.serve, [listener])
                    running.append(gateway)
                    ready.set()
                    await anyio.to_thread.run_sync(stop.wait)
                    server.should_exit = True

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        assert ready.wait(_START_SECONDS)
        yield running[0]
    finally:
        stop.set()
        thread.join(10)
