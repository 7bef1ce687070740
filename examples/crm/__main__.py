"""Run the CRM: `python -m examples.crm --port 8200`. Its records are those of the example again at each start."""

import argparse

from examples.crm.app import create_app
from examples.crm.store import CrmStore
from examples.loopback import serve


def main() -> None:
    """Serve the CRM."""
    parser = argparse.ArgumentParser(prog="examples.crm", description="A small CRM that speaks HubSpot's API.")
    parser.add_argument(
        "--port", type=int, default=8200, help="TCP port on 127.0.0.1, 0 for a free one (default 8200)"
    )
    serve(lambda: create_app(CrmStore.seeded()), parser.parse_args().port, "The CRM")


if __name__ == "__main__":
    main()
