"""The README's Python examples run as they stand; only the address and the names of personas are other ones."""

import re

import pytest

from server.settings import ROOT
from tests.server.conftest import Gateway
from tests.server.test_served import served

__all__ = ["served"]

_BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = "http://127.0.0.1:8000"


def examples() -> str:
    """Return the Python of the README in one piece, since later blocks go on from earlier ones."""
    return "\n".join(_BLOCKS.findall((ROOT / "README.md").read_text(encoding="utf-8")))


@pytest.mark.usefixtures("served")
def test_the_python_examples_run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    gateway: Gateway = request.getfixturevalue("served")
    gateway.engine.will(*["The library opens at nine [1]."] * 4)
    code = examples()
    for written, here in ((_ADDRESS, gateway.base), ("support-agent", "librarian"), ("scrum-coach", "plain")):
        assert written in code
        code = code.replace(written, here)
    code = code.replace("send goods back", "wait until the library opens on weekdays")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert said.count("The library opens at nine") == 3
    assert "#chars=" in said
    assert "[1]\n" in said
    assert "'adapter': None" in said
