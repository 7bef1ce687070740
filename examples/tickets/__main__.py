"""Run the tracker: `python -m examples.tickets --port 8100 --database data/tickets.db`."""

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from examples.tickets.app import create_app
from examples.tickets.store import TicketStore

_PARENT_CHECK_SECONDS = 0.5


def main() -> None:
    """Serve on loopback until SIGTERM, or until the parent process is gone."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="examples.tickets", description="A small ticket tracker.")
    parser.add_argument(
        "--port", type=int, default=8100, help="TCP port on 127.0.0.1, 0 for a free one (default 8100)"
    )
    parser.add_argument(
        "--database", type=Path, default=Path("data/tickets.db"), help="SQLite file of the tickets"
    )
    arguments = parser.parse_args()
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    store = TicketStore(arguments.database)
    config = uvicorn.Config(create_app(store), log_level="warning", timeout_graceful_shutdown=1)
    try:
        listener = socket.create_server(("127.0.0.1", arguments.port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.exit(f"The port {arguments.port} cannot be used ({reason}). Choose another with --port.")
    with listener:
        sys.stdout.write(f"The ticket tracker listens on http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])
    store.close()


def _leave_with(parent: int) -> None:
    # Not PR_SET_PDEATHSIG: it fires when the *thread* that started us ends, which may be one of a pool.
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(_PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
