"""The command line, run in process as a person would run it."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.cli import app
from tests.fakes.api import Api, serving_api


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


class Terminal(io.StringIO):
    """Typed lines, as from a person at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("REPERTORY_DATA_DIR", str(folder))
    monkeypatch.delenv("REPERTORY_API_KEY", raising=False)
    monkeypatch.delenv("REPERTORY_URL", raising=False)
    return folder


@pytest.fixture
def run(data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_it(*arguments: str, typed: str | None = None, piped: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(piped) if typed is None else Terminal(typed))
        capsys.readouterr()
        code: object = 0
        try:
            app(list(arguments), prog_name="repertory")
        except SystemExit as end:
            code = end.code
        shown = capsys.readouterr()
        assert isinstance(code, int | None)
        return Outcome(code or 0, shown.out, shown.err)

    return run_it


@pytest.fixture
def api() -> Iterator[Api]:
    with serving_api() as serving:
        yield serving
