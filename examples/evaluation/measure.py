"""One measurement: the best prompt is chosen on the validation items, then compared on the test items.

Owns the order of steps; must never know HTTP or how results look.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from examples.evaluation.scores import Scores, score
from examples.evaluation.shots import Turn, shots
from examples.evaluation.statistics import Comparison, compare
from examples.evaluation.tasks import Item, Prompt, Task

Ask = Callable[[str, Sequence[str], Sequence[Turn]], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out.

    Attributes:
        prompts: every prompt on the validation items.
        baseline: the best of them, on the test items.
        adapted: the persona with its adapter, on the test items.
        comparison: of the last two, both parts of the label right.
        lenient: the same two with their answers read kindly, the prompt first.
        lenient_comparison: of these two, half a label counting half.
    """

    task: Task
    prompts: tuple[Scores, ...]
    baseline: Scores
    adapted: Scores
    comparison: Comparison
    lenient: tuple[Scores, Scores]
    lenient_comparison: Comparison

    @property
    def worth_it(self) -> bool:
        """Whether the whole interval of the difference lies above zero, however kindly answers are read."""
        return self.comparison.low > 0 and self.lenient_comparison.low > 0


async def measure(task: Task, ask: Ask, *, limit: int | None = None) -> Measurement:
    """Measure `task`, asking personas by `ask`; `limit` cuts both splits for a quick look."""
    valid, test = task.items("valid")[:limit], task.items("test")[:limit]
    prompts = [score(task, each.name, valid, await _answers(task, ask, each, valid)) for each in task.baselines]
    best, _ = max(zip(task.baselines, prompts, strict=True), key=lambda pair: _merit(pair[1]))
    theirs = await _answers(task, ask, best, test)
    ours = await _answers(task, ask, Prompt(task.persona), test)
    strict, lenient = (
        (score(task, best.name, test, theirs, lenient=kind), score(task, task.persona, test, ours, lenient=kind))
        for kind in (False, True)
    )
    return Measurement(
        task=task,
        prompts=tuple(prompts),
        baseline=strict[0],
        adapted=strict[1],
        comparison=compare(strict[1].right, strict[0].right),
        lenient=lenient,
        lenient_comparison=compare(lenient[1].credits, lenient[0].credits),
    )


def _merit(scores: Scores) -> tuple[float, float]:
    return scores.both, scores.parts


async def _answers(task: Task, ask: Ask, prompt: Prompt, items: Sequence[Item]) -> list[str]:
    before = shots(task, prompt.shots) if prompt.shots else []
    return await ask(prompt.persona, [item.question for item in items], before)
