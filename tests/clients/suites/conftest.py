"""Where the gateway is. This folder runs in the clients' environment and imports nothing of the server."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def url() -> str:
    return f"{os.environ['REPERTORY_URL']}/v1"


@pytest.fixture(scope="session")
def key() -> str:
    return os.environ["REPERTORY_KEY"]


@pytest.fixture(scope="session")
def documented(url: str, key: str) -> Callable[[str], str]:
    """Return what reads an example of `docs/clients.md`, with this server's address, key and a persona of its."""
    page = Path(os.environ["REPERTORY_DOCUMENT"]).read_text(encoding="utf-8")

    def read(name: str) -> str:
        _, _, rest = page.partition(f"<!-- run: {name} -->\n```")
        code = rest.partition("\n")[2].partition("```")[0]
        assert "scrum-coach" in code
        here = code.replace("http://127.0.0.1:8000/v1", url).replace('"none"', repr(key))
        return here.replace("scrum-coach", "plain")

    return read
