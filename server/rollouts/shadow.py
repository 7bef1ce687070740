"""Asks the version in shadow what users have asked, after they were answered and while nobody waits.

One question at a time, and only while no turn is under way; a turn that begins meanwhile breaks the shadow's
answer off. What does not fit into a short queue is not asked. No text is kept, only how alike the two answers are.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

import anyio

from adapters.rollouts.course import Turn
from adapters.rollouts.plan import Arm
from adapters.rollouts.tally import Fault
from core.clock import Clock
from core.errors import RepertoryError
from server.engine_port import Engine, Message, Payload
from server.rollouts.blame import may_blame
from server.rollouts.live import LiveRollout
from server.turn.record import TurnRecord
from server.turn.seen import Seen

_MOST_WAITING = 32
_TRIES = 3
_LOOK_SECONDS = 0.02
_COMPARED = 2_000
"""Characters of each answer that are compared: the comparison takes a millisecond or two."""


@dataclass(slots=True)
class _Question:
    live: LiveRollout
    payload: Payload
    shown: str
    response: str
    unit: str
    tries: int = 0


class Shadow:
    """Asks in the background.

    Args:
        engine: is asked.
        busy: tells how many turns are under way.
        clock: tells the time.
        seen: given each answer, as a turn of the rollout.
    """

    def __init__(
        self, engine: Engine, busy: Callable[[], int], clock: Clock, *, seen: Callable[[LiveRollout, Turn], None]
    ) -> None:
        self._engine = engine
        self._busy = busy
        self._clock = clock
        self._seen = seen
        self._waiting: deque[_Question] = deque()
        self._come = anyio.Event()
        self.dropped = 0
        """Questions that were not asked, since too many waited or users kept coming."""

    def offer(self, live: LiveRollout, record: TurnRecord) -> None:
        """Take a question, if there is room."""
        if record.seen is None or record.seen.payload is None or record.answering is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
            return
        unit = record.answering.unit or ""
        question = _Question(live, record.seen.payload, record.seen.text, record.completion, unit)
        self._waiting.append(question)
        self._come.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._come.wait()
            self._come = anyio.Event()
            while self._waiting:
                while self._busy():
                    await anyio.sleep(_LOOK_SECONDS)
                question = self._waiting.popleft()
                if not question.live.shadows:
                    continue
                await self._ask(question)

    async def _ask(self, question: _Question) -> None:
        """Ask one question; where users come in between, put it back."""
        done = False
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                nonlocal done
                await self._answered(question)
                done = True
                group.cancel_scope.cancel()

            group.start_soon(ask)
            while not self._busy():
                await anyio.sleep(_LOOK_SECONDS)
            group.cancel_scope.cancel()
        if done:
            return
        question.tries += 1
        if question.tries < _TRIES:
            self._waiting.appendleft(question)
        else:
            self.dropped += 1

    async def _answered(self, question: _Question) -> None:
        rollout, begun, seen = question.live.rollout, time.monotonic(), Seen()
        similarity: float | None = None
        try:
            completion = await self._engine.chat(rollout.candidate, question.payload)
        except RepertoryError as error:
            if not may_blame(error.kind):
                return
            fault = Fault.ERROR
        else:
            choice = completion["choices"][0]
            seen.add(choice.get("message", Message()))
            fault = seen.fault(choice["finish_reason"])
            similarity = await anyio.to_thread.run_sync(_alike, question.shown, seen.text)
        turn = Turn(
            rollout=rollout.id,
            response=question.response,
            arm=Arm.SHADOW,
            unit=question.unit,
            stage=rollout.stage,
            fault=fault,
            seconds=time.monotonic() - begun,
            at=self._clock(),
            similarity=similarity,
        )
        self._seen(question.live, turn)


def _alike(one: str, other: str) -> float:
    """Return how alike two answers are, word by word: 1 is the same, 0 nothing in common."""
    words, others = one[:_COMPARED].split(), other[:_COMPARED].split()
    return round(SequenceMatcher(None, words, others, autojunk=False).ratio(), 4)
