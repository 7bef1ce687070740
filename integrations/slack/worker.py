"""Takes questions from the ledger and has each answered once, however often a process is killed meanwhile.

A question is claimed under a lease, which is renewed while its answer is written. Knows leases and failures;
how an answer is written is `reply.py`'s.
"""

import logging
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from core.errors import RepertoryError
from integrations.slack.held import LeaseLost
from integrations.slack.ledger import Ledger
from integrations.slack.question import Question, State
from integrations.slack.reply import MOST_ATTEMPTS, Replying
from integrations.slack.workspace import SlackRefused

logger = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0


@dataclass(slots=True)
class Worker:
    """Answers until it is cancelled.

    Attributes:
        answers: at once, at most.
        lease: seconds.
    """

    ledger: Ledger
    replying: Replying
    answers: int
    lease: float
    _running: dict[int, anyio.CancelScope] = field(default_factory=dict)
    _ended: dict[int, anyio.Event] = field(default_factory=dict)
    _wake: anyio.Event = field(default_factory=anyio.Event)

    def wake(self) -> None:
        """Look for questions now."""
        self._wake.set()

    async def break_off(self, seq: int) -> None:
        """End an answer that is being written here, if it is."""
        if (scope := self._running.get(seq)) is not None:
            ended = self._ended[seq]
            scope.cancel()
            await ended.wait()

    async def run(self) -> None:
        """Answer what comes, and look again and again for what others left behind."""
        async with anyio.create_task_group() as group:
            while True:
                await self._take_all(group)
                with anyio.move_on_after(min(_LOOK_SECONDS, self.lease / 4)):
                    await self._wake.wait()
                self._wake = anyio.Event()

    async def _take_all(self, group: TaskGroup) -> None:
        while len(self._running) < self.answers:
            try:
                question = await anyio.to_thread.run_sync(self.ledger.claim, frozenset(self._running))
            except RepertoryError as error:
                logger.error("No question can be read: %s", error.message)
                return
            if question is None:
                return
            self._running[question.seq] = anyio.CancelScope()
            self._ended[question.seq] = anyio.Event()
            group.start_soon(self._hold, question)

    async def _hold(self, question: Question) -> None:
        """Have a question answered under a lease that is renewed."""
        seq = question.seq
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._renew, seq)
                with self._running[seq]:
                    await self._finish(question)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._release(seq)
            del self._running[seq]
            self._ended.pop(seq).set()
            self.wake()

    async def _renew(self, seq: int) -> None:
        while True:
            await anyio.sleep(self.lease / 4)
            try:
                if not await anyio.to_thread.run_sync(self.ledger.renew, seq):
                    _tell_lost()
                    self._running[seq].cancel()
                    return
            except RepertoryError as error:
                logger.error("A lease was not renewed: %s", error.message)

    async def _release(self, seq: int) -> None:
        try:
            await anyio.to_thread.run_sync(self.ledger.release, seq)
        except RepertoryError as error:  # the lease runs out by itself
            logger.error("A lease was not given back: %s", error.message)

    async def _finish(self, question: Question) -> None:
        try:
            state = await self.replying.reply(question)
        except LeaseLost:
            _tell_lost()
            return
        except RepertoryError as error:
            logger.error("A question in %s cannot be answered in Slack: %s", question.place.channel, error.message)
            if not isinstance(error, SlackRefused) and question.attempts <= MOST_ATTEMPTS:
                await anyio.sleep(self.lease / 4)  # Slack is away: another attempt takes it up
                return
            state = State.DONE
        except Exception:  # the worker edge: one question must not end the others
            logger.exception("A question in %s ended in a defect.", question.place.channel)
            state = State.DONE
        await anyio.to_thread.run_sync(self.ledger.finish, question.seq, state)


def _tell_lost() -> None:
    logger.warning(
        "A question is no longer this process's: another took it over, or it was edited or deleted there."
    )
