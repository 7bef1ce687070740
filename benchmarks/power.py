"""How soon the sequential test of a rollout finds a difference, and how often one that is not there.

`python -m benchmarks.power` simulates it with the server's own test and writes the table into docs/rollout.md.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.rollouts.plan import Plan
from adapters.rollouts.sequential import Finding, SequentialTest

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "rollout.md"
BEGIN, END = "<!-- power: begin -->", "<!-- power: end -->"
SCENES = (
    (0.5, 0.0), (0.9, 0.0), (0.98, 0.0),
    (0.9, -0.2), (0.9, -0.1), (0.9, -0.05), (0.9, -0.02),
    (0.5, 0.1), (0.5, 0.05),
    (0.98, -0.04),
)  # fmt: skip
"""Share of good answers in the control arm, and how much the canary's differs."""

RUNS = 400
_TOLD = (Finding.BETTER, Finding.WORSE)


@dataclass(frozen=True, slots=True)
class Scene:
    """What came of many simulated rollouts of one kind.

    Attributes:
        found: share of them in which a difference was found before `most` pairs.
        pairs: how many pairs that took, at the median of those.
    """

    control: float
    difference: float
    found: float
    pairs: int | None


def simulated(control: float, difference: float, runs: int, plan: Plan, random: np.random.Generator) -> Scene:
    """Run many rollouts, each looked at after every pair."""
    taken = []
    for _ in range(runs):
        test = SequentialTest(plan.alpha, plan.tau, plan.most)
        canary, other = random.random(plan.most) < control + difference, random.random(plan.most) < control
        for mine, theirs in zip(canary.tolist(), other.tolist(), strict=True):
            test.add(canary=True, good=mine)
            test.add(canary=False, good=theirs)
            if test.finding is not Finding.RUNNING:
                break
        if test.finding in _TOLD:
            taken.append(test.pairs)
    return Scene(control, difference, len(taken) / runs, int(statistics.median(taken)) if taken else None)


def table(scenes: Iterator[Scene]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| good answers, control | canary differs by | a difference is found | after pairs (median) |",
        "|---|---|---|---|",
    ]
    for one in scenes:
        pairs = "" if one.pairs is None else f"{one.pairs:,}"
        differs = f"{100 * one.difference:+.0f} points" if one.difference else "nothing"
        lines.append(f"| {one.control:.0%} | {differs} | {one.found:.1%} | {pairs} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate, and put the table into the document."""
    random, plan = np.random.default_rng(20_261_129), Plan()
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    shown = table(simulated(control, difference, RUNS, plan, random) for control, difference in SCENES)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{shown}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
