"""How a training is started: what it is told, and with which priority it runs."""

import json
import os
import sys
from pathlib import Path

import pytest

from adapters import TrainingOrder, run_training
from adapters.training.progress import Event, Note

_AUTOGROUP = Path("/proc/self/autogroup")
_TELLS = """
import json, os, pathlib
group = pathlib.Path("/proc/self/autogroup")
told = [os.nice(0), group.read_text().split()[-1] if group.exists() else None]
print(json.dumps({"event": "note", "message": json.dumps(told)}))
"""


@pytest.mark.parametrize(("engine", "gives_way"), [("shared", 5), ("none", 5), ("drained", 5), ("lowered", 0)])
def test_a_training_gives_way_unless_the_engine_gives_way_to_it_and_its_session_is_as_good_as_others(
    tmp_path: Path, engine: str, gives_way: int
) -> None:
    events: list[Event] = []
    program = (sys.executable, "-c", _TELLS)
    run_training(
        TrainingOrder(tmp_path, tmp_path, tmp_path / "run", engine=engine, program=program), events.append
    )
    ((own, of_session),) = [json.loads(event.message) for event in events if isinstance(event, Note)]
    assert own == min(os.nice(0) + gives_way, 19)
    assert of_session == ("0" if _AUTOGROUP.exists() else None)


def test_whatever_runs_the_trainer_elsewhere_gets_the_options_behind_its_own_words(tmp_path: Path) -> None:
    program = ("accelerate", "launch", "--num_processes", "1", "-m", "adapters.training")
    order = TrainingOrder(tmp_path / "a.jsonl", tmp_path, tmp_path / "run", threads=3, program=program)
    command = order.command()
    assert tuple(command[: len(program)]) == program
    options = dict(zip(command[len(program) :: 2], command[len(program) + 1 :: 2], strict=True))
    assert (options["--data"], options["--threads"]) == (str(tmp_path / "a.jsonl"), "3")
