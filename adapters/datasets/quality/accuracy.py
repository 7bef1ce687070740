"""Accuracy: what a person has verified, answers that contradict each other, targets that can be read."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from adapters.datasets.example import Example
from adapters.datasets.quality.score import Evidence, Measure, Score, share
from adapters.datasets.similarity import normal_form

_FENCE = "```json"


def accuracy(examples: Sequence[Example], rows: int) -> Score:
    """Measure the sound `examples` of `rows` rows."""
    return Score(
        "accuracy", (_sound(examples, rows), _verified(examples), _agreeing(examples), _readable(examples))
    )


def _sound(examples: Sequence[Example], rows: int) -> Measure:
    return share("sound", len(examples), rows, f"{len(examples)} of {rows} rows have no fault")


def _verified(examples: Sequence[Example]) -> Measure:
    verified = sum(example.about.reviewer is not None for example in examples)
    told = f"{verified} of {len(examples)} rows name a `reviewer`"
    return share("verified", verified, len(examples), told)


def _agreeing(examples: Sequence[Example]) -> Measure:
    """Rows with the very same question must have the same answer."""
    asked: dict[tuple[str | None, str], list[Example]] = defaultdict(list)
    for example in examples:
        asked[example.system, normal_form(example.prompt, fold_digits=False)].append(example)
    against = list(_contradictions(asked.values()))
    good = len(examples) - len(against)
    told = f"{len(against)} of {len(examples)} rows answer the same question in another way than a row before"
    return share("agreeing", good, len(examples), told, against)


def _contradictions(groups: Iterable[list[Example]]) -> Iterator[Evidence]:
    for group in groups:
        known: dict[str, int] = {}
        for example in group:
            answer = answer_of(example)
            if known and answer not in known:
                yield Evidence(example.line, f"asks what line {min(known.values())} asks, and answers otherwise")
            known.setdefault(answer, example.line)


def answer_of(example: Example) -> str:
    """Return what the answer says, so that two of the same meaning are equal: calls have no ids there."""
    calls = [call["function"] for call in example.answer.tool_calls]
    return normal_form(example.answer.content, fold_digits=False) + json.dumps(calls, sort_keys=True)


def _readable(examples: Sequence[Example]) -> Measure:
    """Answers that begin as JSON must be JSON; the arguments of calls are checked with the rows."""
    meant = [(example.line, text) for example in examples if (text := _meant_as_json(example.answer.content))]
    against = [Evidence(line, "begins as JSON and is none") for line, text in meant if not _is_json(text)]
    calls = sum(bool(example.answer.tool_calls) for example in examples)
    total = len(meant) + calls
    if not total:
        return Measure("readable", None, "no answer is JSON or a call")
    told = f"{total - len(against)} of {total} answers that are JSON or calls can be read"
    return share("readable", total - len(against), total, told, against)


def _meant_as_json(content: str) -> str:
    text = content.strip()
    if text.startswith(_FENCE):
        return text.removeprefix(_FENCE).removesuffix("```").strip()
    return text if text.startswith(("{", '["', "[{")) else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
