"""The section `calling`: the judged set asked in three ways, question by question."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.calling.gateway import gateway
from benchmarks.calling.judged import DOCUMENT, LONGEST_ANSWER, questions
from benchmarks.calling.watched import ANSWER_TOKENS, Verdict
from benchmarks.report import verdict
from benchmarks.section import Bench, Section
from benchmarks.served import Served

_QUICK = 4
_HEAD = """\
| arm | questions | a call tried | first try parses and validates | after the corrected try | cut off \
| arrived at the service | right operation | exact arguments, of those | exact, of all questions \
| seconds a call, median | seconds a question, median |"""


@dataclass(frozen=True, slots=True)
class _Arm:
    """One way of asking, and what came of it."""

    name: str
    way: str
    decided: bool = False
    verdicts: list[Verdict] = field(default_factory=list)

    def count(self, what: str) -> int:
        """Return how many questions have a property."""
        return sum(bool(getattr(one, what)) for one in self.verdicts)


def _measure(bench: Bench) -> list[str]:
    return asyncio.run(_all(bench.served(), quick=bench.quick))


async def _all(served: Served, *, quick: bool) -> list[str]:
    asked = questions()
    guided, given, native = arms = (
        _Arm("`guided`", "guided"),
        _Arm("`guided`, the operation given", "guided", decided=True),
        _Arm("`native`", "native"),
    )
    async with gateway(served.socket, asked) as running:
        for question in asked[:: len(asked) // _QUICK] if quick else asked:
            for arm in arms:
                arm.verdicts.append(await running.ask(question, arm.way, decided=arm.decided))
    operations, personas = len(asked), len({one.persona for one in asked})
    better = guided.count("exact"), native.count("exact")
    return [
        f"The base model without adapter, and {personas} personas with the {operations} operations of",
        f"`{DOCUMENT}`, of different schemas; each operation has one question and the one call that answers it",
        "(`benchmarks/calling/questions.jsonl`). Asked through the gateway, which runs in the process of the",
        "measurement, so that every answer of the engine is seen, also one that is never sent; the calls go",
        "to a small HTTP service on loopback. One question at a time, the arms by turns, at most four engine",
        f"calls a turn and 512 tokens for the arguments of `guided`, as always; {LONGEST_ANSWER} for an answer",
        f"of `native`; what follows a call is cut at {ANSWER_TOKENS} tokens. *Right* and *exact* judge the",
        "first valid call: what fits the schema and is not what was asked for is wrong. *Seconds a call*: of",
        "the engine until a valid call stands, the decision included. *The operation given*: the decision is",
        "made beforehand, so that the arguments of every operation are decoded under its schema, not only of",
        "those that the model chooses.",
        "",
        _HEAD,
        "|---" * (_HEAD.count("|") - 1) + "|",
        *(_row(arm) for arm in arms),
        "",
        "| goal | measured | |",
        "|---|---|---|",
        _goal("`guided`: every call parses and validates", guided.count("valid"), guided.count("tried")),
        _goal("arguments of every operation parse and validate", given.count("valid"), len(given.verdicts)),
        _goal("every valid call of `guided` arrives", guided.count("arrived"), guided.count("valid")),
        f"| `guided` has more exact calls than `native` | {better[0]} against {better[1]} | "
        f"{verdict(better[0] > better[1])} |",
    ]


def _row(arm: _Arm) -> str:
    total, right = len(arm.verdicts), arm.count("right")
    cells = [
        arm.name,
        str(total),
        str(arm.count("tried")),
        _share(arm.count("first"), arm.count("tried")),
        _share(arm.count("valid"), arm.count("tried")),
        str(arm.count("cut")),
        str(arm.count("arrived")),
        "given" if arm.decided else _share(right, total),
        _share(arm.count("exact"), right),
        _share(arm.count("exact"), total),
        _median([one.call_seconds for one in arm.verdicts if one.call_seconds is not None]),
        _median([one.seconds for one in arm.verdicts]),
    ]
    return f"| {' | '.join(cells)} |"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "-"


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f}" if seconds else "-"


def _goal(what: str, part: int, whole: int) -> str:
    return f"| {what} | {part} of {whole} | {verdict(part == whole > 0)} |"


SECTION = Section("calling", "Guided calling against native", _measure)
