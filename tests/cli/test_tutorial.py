"""`docs/tutorial-adapter.md`, command by command: a real server and the real command line.

Shortened: the engine and the trainer stand in for the slow ones. The adapter knows the lines of the examples, the
base does not.
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Run
from tests.engine.server import ROOT, RunningServer
from tests.faults.world import World, eventually

pytestmark = pytest.mark.timeout(1200)  # a whole server, and about thirty commands
_EXAMPLES = ROOT / "examples" / "tutorial" / "notes.jsonl"
_COMMANDS = re.compile(r"^\$ (.+)$", re.MULTILINE)
_ASKED = {
    "Ana: I finished the signup form this morning.": "Done | Ana | signup form",
    "Ben: the dark mode keeps me busy today.": "Doing | Ben | dark mode",
}


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, RunningServer]]:
    """A server as `make run` starts it, and a command line that finds it."""
    world = World.make(tmp_path / "world")
    learnt = dict(_ASKED)
    for line in _EXAMPLES.read_text(encoding="utf-8").splitlines():
        _, asked, answer = json.loads(line)["messages"]
        learnt[asked["content"]] = answer["content"]
    world.note("learnt.json").write_text(json.dumps(learnt))
    (world.personas / "librarian.yaml").unlink()  # its books do not lie in the checkout
    settings = {
        "REPERTORY_KNOWLEDGE_ROOT": str(ROOT),
        "REPERTORY_TRAINING_COMMAND": f"{sys.executable} -m tests.fakes.trainer",
    }
    with world.server(**settings) as server:
        server.wait_ready()
        for name, value in (server.environment | world.settings(**settings)).items():
            monkeypatch.setenv(name, value)
        yield world, server


def test_every_command_of_the_tutorial_does_what_it_says(
    run: Run, tutorial: tuple[World, RunningServer], tmp_path: Path
) -> None:
    world, server = tutorial
    build = tmp_path / "build"
    told: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for command in _COMMANDS.findall((ROOT / "docs" / "tutorial-adapter.md").read_text(encoding="utf-8")):
        words = [_placed(names.get(word, word), world, build) for word in shlex.split(command)]
        match words:
            case ["mkdir", "-p", "build"]:
                build.mkdir()
            case ["cp", source, folder]:
                shutil.copy(ROOT / source, folder)
                eventually(lambda: "standup" in _personas(server))
            case ["rm", path]:
                Path(path).unlink()
            case [".venv/bin/repertory", *arguments]:
                outcome = run(*arguments)
                assert outcome.code == 0, f"{command}\n{outcome.out}{outcome.err}"
                told.setdefault(" ".join(one for one in words[1:3] if one[0] != "-"), []).append(outcome.out)
                names |= _named(outcome.out)
            case _:
                raise AssertionError(f"Nothing runs {command!r}")
    assert "it has no version in production" in told["persona list"][0]
    assert [answer.strip() for answer in told["chat standup"]] == list(_ASKED.values())
    assert "224" in told["dataset split"][0]
    assert "passed its gate" in told["adapter train"][0]
    assert "passed its gate" in told["adapter train"][1]
    assert "pass" in told["eval show"][0]
    assert [found for text in told["rollout advance"] for found in re.findall(r"answers (\d+) %", text)] == [
        "1", "50", "100"
    ]  # fmt: skip
    assert "standup@2 is in production." in told["rollout advance"][-1]
    assert told["adapter rollback"] == ["standup@1 answers again.\n"]
    for page in ("notes.html", "report.html"):
        assert "<svg" in (build / page).read_text(encoding="utf-8")
    assert "standup@2 beside standup@1" in (build / "rollout.html").read_text(encoding="utf-8")
    assert (build / "standup.tar").stat().st_size > 0


def _personas(server: RunningServer) -> str:
    return httpx.get(f"{server.url}/api/personas", headers=server.admin, timeout=30, trust_env=False).text


def _placed(word: str, world: World, build: Path) -> str:
    """Return a word with the places of this run."""
    if word.startswith("personas/"):
        return str(world.personas / word.removeprefix("personas/"))
    return str(build / word.removeprefix("build/")) if word.startswith("build/") else word


def _named(out: str) -> dict[str, str]:
    """Return what the tutorial's capitals stand for from here on, as a reader would take it from the screen."""
    found = {"EVAL": r"\beval-\w+", "ROLLOUT": r"\brollout-\w+", "BOB": r"\brep-[\w-]+"}
    return {name: match[0] for name, pattern in found.items() if (match := re.search(pattern, out))}
