"""The worker of evaluations: asks what is left, has it judged and graded, and writes down each step.

Answers are kept as they come, so a kill costs at most those under way. Knows no chat turn: it is given what asks.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import anyio

from adapters.evaluation import Answer, Arm, Definition, EvalSpec, Evaluation, Evaluations, Task, graded
from adapters.evaluation.scoring import Work
from adapters.registry import Registry
from adapters.verdict import Outcome, Verdict
from core.clock import Clock
from core.errors import ContextTooLong, RateLimited, RepertoryError, Unavailable, UpstreamFailed
from server.evaluation.comparing import Comparing
from server.evaluation.pool import each
from server.evaluation.settling import settle

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
_MOST_ATTEMPTS = 5
_TRIES = 3
_PAUSE = 5.0
_LONGEST_TRYING = 86_400.0
"""Without an answer in between."""
_PASSING = (Unavailable, RateLimited, UpstreamFailed)


class Asks(Protocol):
    """What the worker needs of the chat turn."""

    async def ask(self, evaluation: Evaluation, spec: EvalSpec, arm: Arm, task: Task) -> Answer:
        """Return the answer of an arm to a task."""
        ...


class EvaluationWorker:
    """Works on one evaluation at a time."""

    def __init__(self, store: Evaluations, registry: Registry, comparing: Comparing, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._comparing = comparing
        self._clock = clock
        self._wake = anyio.Event()
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._troubled: dict[str, float] = {}

    def wake(self) -> None:
        """Tell the worker that there is something to do."""
        self._wake.set()

    def cancel(self, evaluation_id: str) -> None:
        """Leave off an evaluation that has been cancelled."""
        if (scope := self._scopes.get(evaluation_id)) is not None:
            scope.cancel()

    def rate(self, evaluation_id: str, done: int) -> float | None:
        """Return answers a second since this evaluation was taken up; None where it is not under way."""
        begun = self._begun.get(evaluation_id)
        if begun is None or (passed := self._clock() - begun[0]) <= 0:
            return None
        return (done - begun[1]) / passed

    async def run(self, asks: Asks) -> None:
        """Work for as long as the server runs."""
        while True:
            self._wake = anyio.Event()
            due = await anyio.to_thread.run_sync(self._store.next, ())
            if due is not None:
                await self._work(due, asks)
                continue
            with anyio.move_on_after(_POLL_SECONDS):
                await self._wake.wait()

    async def aclose(self) -> None:
        """Close the judge's client."""
        await self._comparing.aclose()

    async def _work(self, evaluation: Evaluation, asks: Asks) -> None:
        if evaluation.attempts >= _MOST_ATTEMPTS:
            text = f"The server stopped {evaluation.attempts} times while it worked on this. Look at its log."
            await self._fail(evaluation, "server_error", text)
            return
        await anyio.to_thread.run_sync(self._store.begin, evaluation)
        try:
            with anyio.CancelScope() as self._scopes[evaluation.id]:
                await self._advance(evaluation, asks)
        except _PASSING as error:
            await self._later(evaluation, error)
        except RepertoryError as error:
            await self._fail(evaluation, error.code, error.message)
        except Exception:  # the worker edge: one evaluation must not end the others
            _LOG.exception("the evaluation %r", evaluation.id)
            text = f"The server failed on this evaluation. Its log has {evaluation.id!r}."
            await self._fail(evaluation, "internal_error", text)
        except BaseException:  # the server is being stopped, for which the evaluation is not to blame
            with anyio.CancelScope(shield=True):
                await self._postpone(evaluation, evaluation.next_at)
            raise
        finally:
            self._scopes.pop(evaluation.id, None)
            self._begun.pop(evaluation.id, None)

    async def _advance(self, evaluation: Evaluation, asks: Asks) -> None:
        store = self._store
        definition = await anyio.to_thread.run_sync(store.definition, evaluation.id)
        kept = await anyio.to_thread.run_sync(store.answers, evaluation.id)
        self._begun[evaluation.id] = (self._clock(), sum(len(kept.get(arm, {})) for arm in evaluation.arms))
        left = [
            (arm, task)
            for task in definition.tasks
            for arm in evaluation.arms  # in turn, so that all of them see the same load
            if task.key not in kept.get(arm, {})
        ]

        def asking(arm: Arm, task: Task) -> Callable[[], Awaitable[None]]:
            async def answer() -> None:
                told = await _answered(lambda: asks.ask(evaluation, definition.spec, arm, task))
                await anyio.to_thread.run_sync(store.keep, evaluation.id, arm.value, {task.key: told})
                self._troubled.pop(evaluation.id, None)

            return answer

        await each([asking(arm, task) for arm, task in left], definition.spec.concurrency)
        kept = await anyio.to_thread.run_sync(store.answers, evaluation.id)
        await self._comparing.compare(evaluation, definition, kept)
        await self._end(evaluation, definition)

    async def _end(self, evaluation: Evaluation, definition: Definition) -> None:
        kept = await anyio.to_thread.run_sync(self._store.answers, evaluation.id)
        answers = {arm: kept[arm] for arm in evaluation.arms}
        judged, labels = self._comparing.told(evaluation, definition, kept)
        work = Work(spec=definition.spec, tasks=definition.tasks, answers=answers, judged=judged, labels=labels)
        content = work.model_dump_json(by_alias=True).encode()
        result = await anyio.to_thread.run_sync(graded, content, abandon_on_cancel=True)
        verdict = _verdict(result.get("gate"), evaluation.id)
        await anyio.to_thread.run_sync(self._finish, evaluation, result, verdict)
        _LOG.info("the evaluation %r is done: %s", evaluation.id, verdict.outcome.value if verdict else "no gate")

    def _finish(self, evaluation: Evaluation, result: Mapping[str, object], verdict: Verdict | None) -> None:
        """Move the version first: what is killed between is graded again, to the same verdict."""
        if evaluation.moves and evaluation.adapter is not None and evaluation.candidate is not None:
            version = self._registry.get(evaluation.adapter, evaluation.candidate)
            settle(self._registry, version, verdict, evaluation.id, evaluation.by)
        outcome, reason = (None, "") if verdict is None else (verdict.outcome, verdict.reason)
        self._store.finish(evaluation.id, result, outcome, reason)

    async def _later(self, evaluation: Evaluation, error: RepertoryError) -> None:
        now = self._clock()
        if now - self._troubled.setdefault(evaluation.id, now) > _LONGEST_TRYING:
            await self._fail(evaluation, error.code, error.message)
            return
        _LOG.warning("the evaluation %r waits: %s", evaluation.id, error.message)
        await self._postpone(evaluation, now + max(error.retry_after or 0, _PAUSE))

    async def _postpone(self, evaluation: Evaluation, until: float) -> None:
        await anyio.to_thread.run_sync(
            lambda: self._store.postpone(evaluation, until, attempts=evaluation.attempts)
        )

    async def _fail(self, evaluation: Evaluation, code: str, message: str) -> None:
        _LOG.error("the evaluation %r failed: %s", evaluation.id, message)
        self._troubled.pop(evaluation.id, None)
        await anyio.to_thread.run_sync(self._store.fail, evaluation.id, code, message)


async def _answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask; what fails for the question alone is an answer, too, and a wrong one."""
    for attempt in range(1, _TRIES + 1):
        try:
            return await ask()
        except ContextTooLong as error:
            return Answer(error=error.code)
        except UpstreamFailed as error:
            if attempt == _TRIES:
                return Answer(error=error.code)
    raise AssertionError("the last attempt returns")


def _verdict(gate: object, evaluation_id: str) -> Verdict | None:
    if not isinstance(gate, dict):
        return None
    return Verdict(Outcome(gate["outcome"]), str(gate["reason"]), evaluation_id)
