"""Serving an example on loopback, until SIGTERM or until the parent process is gone."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

_PARENT_CHECK_SECONDS = 0.5


def serve(create: Callable[[], FastAPI], port: int, title: str) -> None:
    """Serve what `create` returns on 127.0.0.1.

    Args:
        create: makes the application.
        port: TCP port, 0 for a free one.
        title: how the line begins that says the address.
    """
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    config = uvicorn.Config(create(), log_level="warning", timeout_graceful_shutdown=1)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.exit(f"The port {port} cannot be used ({reason}). Choose another with --port.")
    with listener:
        sys.stdout.write(f"{title} listens on http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


def _leave_with(parent: int) -> None:
    # Not PR_SET_PDEATHSIG: it fires when the *thread* that started us ends, which may be one of a pool.
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(_PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
