"""Steps of a turn are told while the work goes on, and the work never outlives whoever listens."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
import pytest

from core.errors import Unavailable
from server.turn.steps import ActionStep, Outcome, Steps, told

pytestmark = pytest.mark.anyio
Told = AsyncGenerator[ActionStep | Outcome[str], None]


class _Work:
    """Begins a step, waits to be let go, ends it."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.may_go = anyio.Event()
        self.ended = ""

    async def __call__(self) -> str:
        try:
            self.steps.begins("look_up", "{}")
            await self.may_go.wait()
            self.steps.append(ActionStep("look_up", "{}", "done"))
        except BaseException as error:
            self.ended = type(error).__name__
            raise
        return "an answer"


def _states(items: list[ActionStep | Outcome[str]]) -> list[str]:
    return [item.value if isinstance(item, Outcome) else item.state for item in items]


async def test_a_step_is_told_while_the_work_still_waits() -> None:
    work = _Work()
    seen: list[ActionStep | Outcome[str]] = []

    async with aclosing(told(work, work.steps, live=True)) as items:
        async for item in items:
            seen.append(item)
            work.may_go.set()  # only now may it go on

    assert _states(seen) == ["running", "done", "an answer"]
    assert [step.state for step in work.steps] == ["done"]


async def test_whoever_does_not_listen_gets_the_outcome_alone() -> None:
    work = _Work()
    work.may_go.set()

    assert _states([item async for item in told(work, work.steps, live=False)]) == ["an answer"]


async def test_an_error_of_the_work_comes_out_as_it_is() -> None:
    steps = Steps()

    async def fails() -> str:
        steps.begins("look_up", "{}")
        raise Unavailable("The engine is away.")

    with pytest.raises(Unavailable, match="The engine is away"):
        _ = [item async for item in told(fails, steps, live=True)]


async def test_the_work_ends_with_the_one_who_stops_listening() -> None:
    work = _Work()

    async with aclosing(told(work, work.steps, live=True)) as items:
        assert _states([await anext(items)]) == ["running"]

    assert work.ended == "CancelledError"


@pytest.mark.parametrize("cancelled_in", ["the work", "the listener"])
async def test_the_work_ends_with_the_one_who_is_cancelled(cancelled_in: str) -> None:
    work, waiting = _Work(), anyio.Event()

    async def listen() -> None:
        async with aclosing(told(work, work.steps, live=True)) as items:
            async for _ in items:
                waiting.set()
                if cancelled_in == "the listener":
                    await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await waiting.wait()
        group.cancel_scope.cancel()

    assert work.ended == "CancelledError"


async def test_nobody_hears_of_steps_after_the_end() -> None:
    work = _Work()
    work.may_go.set()
    _ = [item async for item in told(work, work.steps, live=True)]
    heard: list[str] = []

    stop: Callable[[], None] = work.steps.listen(lambda step: heard.append(step.state))
    work.steps.begins("look_up", "{}")
    stop()
    work.steps.begins("look_up", "{}")

    assert heard == ["running"]
