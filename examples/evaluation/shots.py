"""Solved examples that a prompt-only persona is shown as chat turns before the question.

A small base model follows turns far better than examples inside the system message, so the strongest prompt
is made of them. Owns the choice of training rows; must never know how answers are obtained.
"""

import json
from collections.abc import Iterable, Iterator
from random import Random

from examples.datasets.prompts import without_passages
from examples.evaluation.tasks import DATASETS, Task

Turn = dict[str, str]


def shots(task: Task, count: int) -> list[Turn]:
    """Return `count` training rows as user and assistant turns, every kind of label in turn.

    The answers are cut to the line that is measured, which is to the prompt's advantage. The order is
    shuffled, always in the same way: a small model otherwise repeats the label of the last examples.

    Raises:
        ValueError: there are not as many rows.
    """
    kinds: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for question, line in _solved(task):
        kinds.setdefault(task.kind(task.label(line)), []).append((question, line))
    order = _mixed(kinds)
    rounds = [kinds[kind][number] for number in range(count) for kind in order if number < len(kinds[kind])]
    if len(rounds) < count:
        raise ValueError(f"{task.persona!r} has {len(rounds)} training rows to show, not {count}: ask for fewer.")
    chosen = rounds[:count]
    Random(0).shuffle(chosen)  # noqa: S311 - an order, no secret
    return [turn for question, line in chosen for turn in _turns(question, line)]


def _solved(task: Task) -> Iterator[tuple[str, str]]:
    for line in (DATASETS / task.persona / "train.jsonl").read_text(encoding="utf-8").splitlines():
        contents = [str(each["content"]) for each in json.loads(line)["messages"]]
        if len(contents) == 3 and task.well_formed(contents[2]):
            yield without_passages(contents[1]), contents[2].split("\n", 1)[0]


def _mixed(kinds: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Order kinds diagonally, so that the first few already hold every first part and several second ones."""
    pairs = sorted(kinds)
    firsts, seconds = (sorted({pair[part] for pair in pairs}) for part in (0, 1))

    def place(pair: tuple[str, str]) -> tuple[int, int]:
        row, column = firsts.index(pair[0]), seconds.index(pair[1])
        return (row + column) % len(seconds), row

    return sorted(pairs, key=place)


def _turns(question: str, line: str) -> list[Turn]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": line}]
