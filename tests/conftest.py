"""How long the soak tests last: `make soak` takes the defaults, a trial takes less."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-kills", type=int, default=500, help="kills of the soak test")
    parser.addoption(
        "--soak-document-kills", type=int, default=200, help="further kills, in stories of uploads and folders"
    )
    parser.addoption("--soak-seconds", type=float, default=3600, help="seconds of load of the soak test")
