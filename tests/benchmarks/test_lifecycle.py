"""The tasks of the roads from examples to a released adapter, and how a road is told."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.datasets.reading import read_dataset
from adapters.evaluation import EvalSpec
from benchmarks.lifecycle.comparison import shown
from benchmarks.lifecycle.road import STAGES, Travelled
from benchmarks.lifecycle.tasks import Row, Task, calls, intents, products, replies

LABELS = [f"label_{letter}" for letter in "abcdefghijkl"]
TOOL = {"type": "function", "function": {"name": "shop.open", "parameters": {"type": "object"}}}


def chat(label: str, number: int) -> Row:
    told = ("Answer with a label.", f"question {number} of {label}", label)
    roles = ("system", "user", "assistant")
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, told, strict=True)]}


def calling(number: int) -> Row:
    function = {"name": "shop.open", "arguments": json.dumps({"day": number})}
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    asked = {"role": "user", "content": f"Is shop.open on day {number}?"}
    accepted = [{"shop.open": {"day": [number]}}]
    return {"tools": [TOOL], "messages": [asked, called], "accepted": accepted}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return sets in the forms of the real ones: labels as answers, labels beside them, and calls."""
    chats = [chat(label, number) for number in range(61) for label in [*LABELS, "oos"]]
    sets = {
        "intents": chats,
        "replies": [row | {"intent": row["messages"][-1]["content"]} for row in chats],
        "calls": [calling(number) for number in range(210)],
    }
    for name, rows in sets.items():
        (tmp_path / name).mkdir()
        for part in ("train", "valid", "test"):
            lines = [json.dumps(row) for row in rows]
            (tmp_path / name / f"{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("make", [intents, replies, calls, products])
def test_rows_and_eval_file_of_a_task_are_such_as_the_server_takes(
    make: Callable[[Path], Task], folder: Path, tmp_path: Path
) -> None:
    task = make(folder / make.__name__)
    for number, rows in enumerate((task.train, task.valid)):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        assert {one.system for one in read_dataset(path).examples} == {task.instructions}
    spec = EvalSpec.model_validate(task.spec(task.name, shots=bool(task.shots)))
    assert len(spec.sets[0].cases) == len(task.cases)
    assert not [row for row in task.train if row in task.valid and make is products]


def test_the_intents_are_the_first_ten_in_alphabetical_order_with_sixty_rows_each(folder: Path) -> None:
    task = intents(folder / "intents")
    assert Counter(row["label"] for row in task.train) == dict.fromkeys(LABELS[:10], 60)
    assert Counter(case["label"] for case in task.cases) == dict.fromkeys(LABELS[:10], 61)


def test_names_of_tools_are_such_as_the_api_takes_in_rows_and_cases_alike(folder: Path) -> None:
    task = calls(folder / "calls")
    assert "shop.open" not in json.dumps([row["tools"] for row in task.train])
    assert task.cases[3]["calls"] == [{"name": "shop_open", "arguments": {"day": {"any_of": [3]}}}]


def report(value: float) -> Row:
    arm: dict[str, Any] = {"value": value, "low": value - 0.1, "high": value + 0.1}
    names = ("test.normalised", "general.surprise")
    metrics = [
        {
            "metric": name,
            "slice": "all",
            "n": 99,
            "arms": {"base": arm, "candidate": arm},
            "differences": {"base": arm},
        }
        for name in names
    ]
    rule = {"outcome": "pass", "reason": "It is better."}
    told = {"outcome": "pass", "total": 198, "created_at": 0, "finished_at": 60}
    return told | {"metrics": metrics, "gate": {"rules": [rule]}}


def test_a_road_is_told_with_its_figures_its_gate_and_who_met_which_version(folder: Path) -> None:
    training = {
        "seconds": 120,
        "steps": 180,
        "trained_tokens": 9_000,
        "kept_step": 180,
        "config": {"batch_size": 8},
        "hardware": {"threads": 2, "engine": "drained"},
    }
    travelled = Travelled(version={"state": "candidate"}, training=training, reports={"instructions": report(0.5)})
    told = "\n".join(shown(products(folder), travelled))
    assert (
        "| product right (n = 99) | **0.500** (0.400 to 0.600) | **0.500** (0.400 to 0.600) | **+0.500**" in told
    )
    assert "**2.0 minutes** (180 steps of 8, 9,000 tokens, 2 threads, engine drained)" in told
    assert "stage" not in told
    travelled.stages = {stage: Counter({"products@1": 30, "products@2": 10}) for stage in STAGES}
    travelled.second = {"state": "evaluated"}
    travelled.shadow, travelled.way_back = {"arms": {"shadow": {"turns": 38}}}, 4.25
    told = "\n".join(shown(products(folder), travelled))
    assert "| 25 % | 30 | 10 |" in told
    assert "began 4.2 ms later" in told
