"""What holds for all tests: random ones have no deadline, and soak tests last as long as is asked.

`make soak` takes the defaults, a trial takes less.
"""

import pytest
from hypothesis import settings

settings.register_profile("repertory", deadline=None)  # a busy machine proves nothing wrong
settings.load_profile("repertory")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-kills", type=int, default=500, help="kills of the soak test")
    parser.addoption(
        "--soak-document-kills", type=int, default=200, help="further kills, in stories of uploads and folders"
    )
    parser.addoption(
        "--soak-adapter-kills", type=int, default=50, help="further kills, from data sets to rollouts of adapters"
    )
    parser.addoption("--soak-seconds", type=float, default=3600, help="seconds of load of the soak test")
