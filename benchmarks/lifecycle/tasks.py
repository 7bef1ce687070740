"""What the roads teach: a task with its rows, its persona, its graders and its gate."""

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.datasets.finding import Severity
from adapters.datasets.reading import check_dataset

Row = dict[str, Any]

_INTENTS = 10
_EACH = 60
_REPLIES_EACH = 15
_REPLIES_ASKED_EACH = 5
_CALL_CHARACTERS = 1_600
"""Of a row with its tools, at most: about 500 tokens."""
_CALLS = 200
_PRODUCTS = 480
_PRODUCTS_ASKED = 100
_ADVISER = "You call functions for the user. Where none of them fits, say so."
_MULTIPLIER = "You multiply. Answer with the product, in digits alone."


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        name: of its persona, its adapter and its section.
        title: what it is, for the report.
        instructions: of its persona; the system prompt of each row.
        train: rows to learn from; `valid` and `test` likewise.
        cases: what the evaluation asks, as cases of an eval file.
        graders: of the eval file.
        metrics: what the report shows, the first of them first.
        gate: its rules.
        max_tokens: of an answer.
        shots: turns before each question, for a prompt that is better than the instructions; none: not measured.
    """

    name: str
    title: str
    instructions: str
    train: Sequence[Row]
    valid: Sequence[Row]
    cases: Sequence[Row]
    graders: Sequence[Row]
    metrics: Sequence[str]
    gate: Sequence[Row]
    max_tokens: int
    shots: Sequence[Row] = field(default_factory=tuple)

    def spec(self, name: str, *, shots: bool = False) -> Row:
        """Return its eval file, with or without the turns before each question."""
        return {
            "name": name,
            "persona": self.name,
            "base": {"shots": list(self.shots)} if shots else {},
            "max_tokens": self.max_tokens,
            "sets": [
                {"name": "test", "cases": list(self.cases), "graders": list(self.graders)},
                {"name": "general", "builtin": "retention"},
            ],
            "gate": list(self.gate),
        }


def intents(folder: Path) -> Task:
    """The first ten intents of clinc150 in alphabetical order: sixty rows of each, and all their questions."""
    train, valid, test = (_rows(folder / f"{part}.jsonl") for part in ("train", "valid", "test"))
    names = sorted({_answer(row) for row in train} - {"oos"})[:_INTENTS]
    kept = _labelled(train, names)
    taken = _evenly(kept, _EACH)
    return Task(
        name="intents",
        title="ten intents of `clinc150`",
        instructions=_system(train[0]),
        train=taken,
        valid=_labelled(valid, names),
        cases=[_case(row) for row in _labelled(test, names)],
        graders=[{"kind": "label", "name": "intent"}, {"kind": "exact"}],
        metrics=["test.intent.accuracy", "test.intent.macro_f1", "general.surprise"],
        gate=[
            {"metric": "test.intent.accuracy", "comparator": "base", "op": ">"},
            {"metric": "test.intent.accuracy", "comparator": "absolute", "op": ">=", "value": 0.8},
            _retention(),
        ],
        max_tokens=12,
        shots=[message for row in _evenly(taken, 1) for message in row["messages"][1:]],
    )


def replies(folder: Path) -> Task:
    """The replies of bitext_support: in the shop's words, and with its facts."""
    train, valid, test = (_rows(folder / f"{part}.jsonl") for part in ("train", "valid", "test"))
    names = sorted({str(row["intent"]) for row in train})
    taken = _evenly(_labelled(train, names, key="intent"), _REPLIES_EACH)
    asked = _evenly(_labelled(test, names, key="intent"), _REPLIES_ASKED_EACH)
    return Task(
        name="replies",
        title="the replies of `bitext_support`",
        instructions=_system(train[0]),
        train=taken,
        valid=_evenly(_labelled(valid, names, key="intent"), _REPLIES_ASKED_EACH),
        cases=[_case(row) for row in asked],
        graders=[{"kind": "exact"}, {"kind": "chrf"}, {"kind": "rouge_l"}],
        metrics=["test.exact", "test.chrf", "test.rouge_l", "general.surprise"],
        gate=[
            {"metric": "test.exact", "comparator": "base", "op": ">"},
            {"metric": "test.chrf", "comparator": "base", "op": ">", "margin": 10},
            _retention(),
        ],
        max_tokens=72,
    )


def calls(folder: Path) -> Task:
    """Tool calls of bfcl_functions, and questions for which no tool fits."""
    train, valid, test = (
        _sound([row for row in map(_with_calls, _rows(folder / f"{part}.jsonl")) if _short(row)])
        for part in ("train", "valid", "test")
    )
    return Task(
        name="calls",
        title="the tool calls of `bfcl_functions`",
        instructions=_ADVISER,
        train=[_learnt(row) for row in train[:_CALLS]],
        valid=[_learnt(row) for row in valid[: _CALLS // 4]],
        cases=[_case_of_call(row) for row in test],
        graders=[{"kind": "tool_call"}],
        metrics=["test.tool_call", "general.surprise"],
        gate=[{"metric": "test.tool_call", "comparator": "base", "op": ">"}, _retention()],
        max_tokens=96,
    )


def products(_: Path) -> Task:
    """Products of two numbers of three digits, which a model of this size cannot learn from examples."""
    drawn = random.Random(0)
    made = [(drawn.randint(100, 999), drawn.randint(100, 999)) for _ in range(_PRODUCTS + 2 * _PRODUCTS_ASKED)]
    rows = [_row(_MULTIPLIER, f"{one} * {two} = ?", str(one * two)) for one, two in dict.fromkeys(made)]
    asked = rows[_PRODUCTS + _PRODUCTS_ASKED :]
    return Task(
        name="products",
        title="products of numbers of three digits",
        instructions=_MULTIPLIER,
        train=rows[:_PRODUCTS],
        valid=rows[_PRODUCTS : _PRODUCTS + _PRODUCTS_ASKED],
        cases=[_case(row) for row in asked],
        graders=[{"kind": "normalised"}],
        metrics=["test.normalised", "general.surprise"],
        gate=[
            {"metric": "test.normalised", "comparator": "base", "op": ">"},
            {"metric": "test.normalised", "comparator": "absolute", "op": ">=", "value": 0.5},
            _retention(),
        ],
        max_tokens=12,
    )


def _retention() -> Row:
    """Plain text may not become unlikelier than by half a nat a token."""
    return {"metric": "general.surprise", "comparator": "base", "op": "<=", "margin": 0.5, "min_n": 30}


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _row(system: str, question: str, answer: str) -> Row:
    spoken = (("system", system), ("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in spoken]}


def _system(row: Row) -> str:
    return str(row["messages"][0]["content"])


def _answer(row: Row) -> str:
    return str(row["messages"][-1]["content"])


def _labelled(rows: Iterable[Row], names: Sequence[str], key: str | None = None) -> list[Row]:
    """Return the rows of some labels, with the label where the server looks for it."""
    named = ((row, str(row[key]) if key else _answer(row)) for row in rows)
    return [{"messages": row["messages"], "label": label} for row, label in named if label in names]


def _evenly(rows: Iterable[Row], each: int) -> list[Row]:
    """Return the first rows of each label, as many of each, the labels by turns."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["label"]].append(row)
    return [row for turn in zip(*(found[name][:each] for name in sorted(found)), strict=True) for row in turn]


def _case(row: Row) -> Row:
    case = {"messages": row["messages"][1:-1], "expected": _answer(row)}
    return case | ({"label": row["label"]} if "label" in row else {})


def _with_calls(row: Row) -> Row:
    """Return a row as OpenAI takes it: names without dots, calls with an identity, and the persona's prompt."""
    text = json.dumps(row)
    for tool in row["tools"]:
        name = tool["function"]["name"]
        text = text.replace(json.dumps(name), json.dumps(name.replace(".", "_")))
    changed: Row = json.loads(text)
    for message in changed["messages"]:
        for place, call in enumerate(message.get("tool_calls", ())):
            call["id"] = f"call_{place}"
    told = [message for message in changed["messages"] if message["role"] != "system"]
    return changed | {"messages": [{"role": "system", "content": _ADVISER}, *told]}


def _short(row: Row) -> bool:
    return len(json.dumps([row["tools"], row["messages"]])) <= _CALL_CHARACTERS


def _sound(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that could be imported: some arguments of the set do not fit the schemas of their tools."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(_learnt(row))}\n" for row in rows)
        file.flush()
        faulty = {one.line for one in check_dataset(Path(file.name)).findings if one.severity is Severity.ERROR}
    return [row for line, row in enumerate(rows, start=1) if line not in faulty]


def _learnt(row: Row) -> Row:
    return {"messages": row["messages"], "tools": row["tools"]}


def _case_of_call(row: Row) -> Row:
    expected = [
        {"name": name.replace(".", "_"), "arguments": {key: {"any_of": values} for key, values in given.items()}}
        for one in row.get("accepted") or ()
        for name, given in one.items()
    ]
    return {"messages": row["messages"][1:-1], "tools": row["tools"], "calls": expected}
