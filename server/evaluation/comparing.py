"""Having a judge compare answers, each pair in both orders; what it says is kept as it comes."""

from collections.abc import Awaitable, Callable, Iterator, Mapping

import anyio

from adapters.evaluation import Answer, Arm, Definition, Evaluation, Evaluations
from adapters.evaluation.judge_options import Judge
from adapters.evaluation.judging import Comparison, comparison_of, messages, read_choice
from adapters.evaluation.scoring import Choices
from server.evaluation.judges import Judges
from server.evaluation.pool import each

_ORDERS = (("straight", False), ("swapped", True))
_LABELS = "judge:labels"
Kept = Mapping[str, Mapping[str, Answer]]


class Comparing:
    """Asks the judge of an evaluation, where it has one."""

    def __init__(self, store: Evaluations, judges: Judges) -> None:
        self._store = store
        self._judges = judges

    async def compare(self, evaluation: Evaluation, definition: Definition, kept: Kept) -> None:
        """Ask what the judge has not said yet: of the candidate against each other arm, and of people's pairs.

        Raises:
            RepertoryError: the judge cannot be asked, or not now.
        """
        judge = definition.spec.judge
        if judge is None:
            return

        def ask(asked: str, key: str, comparison: Comparison, swapped: bool) -> Callable[[], Awaitable[None]]:
            async def answer() -> None:
                told = messages(judge.rubric, comparison, swapped=swapped)
                said = await self._judges.choose(judge, evaluation.persona, told)
                keep = {key: Answer(text=read_choice(said) or "")}
                await anyio.to_thread.run_sync(self._store.keep, evaluation.id, asked, keep)

            return answer

        works = [
            ask(asked, f"{key}#{order}", comparison, swapped)
            for asked, key, comparison in _wanted(evaluation, definition, judge, kept)
            for order, swapped in _ORDERS
            if f"{key}#{order}" not in kept.get(asked, {})
        ]
        await each(works, definition.spec.concurrency)

    def told(
        self, evaluation: Evaluation, definition: Definition, kept: Kept
    ) -> tuple[dict[Arm, dict[str, Choices]], tuple[Choices, ...]]:
        """Return what the judge has said of each arm, and of people's pairs."""
        judged: dict[Arm, dict[str, Choices]] = {
            arm: {
                task.key: _choices(kept[_asked(arm)], task.key)
                for task in definition.tasks
                if task.judged and f"{task.key}#straight" in kept.get(_asked(arm), {})
            }
            for arm in evaluation.arms
            if arm is not Arm.CANDIDATE and _asked(arm) in kept
        }
        labels = definition.spec.judge.labels if definition.spec.judge else []
        return judged, tuple(
            _choices(kept[_LABELS], str(place)) for place in range(len(labels)) if _LABELS in kept
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._judges.aclose()


def _wanted(
    evaluation: Evaluation, definition: Definition, judge: Judge, kept: Kept
) -> Iterator[tuple[str, str, Comparison]]:
    for place, label in enumerate(judge.labels):
        yield _LABELS, str(place), comparison_of(label)
    if Arm.CANDIDATE not in evaluation.arms:
        return
    for arm in evaluation.arms:
        if arm is Arm.CANDIDATE:
            continue
        for task in definition.tasks:
            if task.judged:
                ours, theirs = kept[Arm.CANDIDATE][task.key].text, kept[arm][task.key].text
                reference = task.case.expected[0] if task.case.expected else ""
                yield _asked(arm), task.key, Comparison(task.case.question, ours, theirs, reference)


def _asked(arm: Arm) -> str:
    return f"judge:{arm.value}"


def _choices(told: Mapping[str, Answer], key: str) -> Choices:
    straight, swapped = (told[f"{key}#{order}"].text or None for order, _ in _ORDERS)
    return straight, swapped
