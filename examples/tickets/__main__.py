"""Run the tracker: `python -m examples.tickets --port 8100 --database data/tickets.db`."""

import argparse
from pathlib import Path

from examples.loopback import serve
from examples.tickets.app import create_app
from examples.tickets.store import TicketStore


def main() -> None:
    """Serve the tracker."""
    parser = argparse.ArgumentParser(prog="examples.tickets", description="A small ticket tracker.")
    parser.add_argument(
        "--port", type=int, default=8100, help="TCP port on 127.0.0.1, 0 for a free one (default 8100)"
    )
    parser.add_argument(
        "--database", type=Path, default=Path("data/tickets.db"), help="SQLite file of the tickets"
    )
    arguments = parser.parse_args()
    store = TicketStore(arguments.database)
    serve(lambda: create_app(store), arguments.port, "The ticket tracker")
    store.close()


if __name__ == "__main__":
    main()
