"""What one turn did and how long it took: the one record that usage, metrics and transcripts read.

Holds ids, counts and times. Knows nobody who reads it, and no text unless somebody asked to keep it.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from core.errors import ErrorKind, RepertoryError
from core.ids import ConversationId, PersonaId, PrincipalId
from server.engine_port import Answering, Usage
from server.turn.content import TurnContent
from server.turn.seen import Seen
from server.turn.usage import UsageSum

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TimedCall:
    """One action call: its operation, how it ended, and its seconds."""

    operation: str
    state: str
    seconds: float


class TurnWatcher(Protocol):
    """Sees the steps of one turn while it runs, as traces need. It must return at once and never raise."""

    def engine_asked(self) -> None:
        """See a call to the engine go out."""
        ...

    def engine_answers(self) -> None:
        """See a frame of the engine's come in; a whole answer is one."""
        ...

    def searched(self, outcome: str, rewrite: str, seconds: float) -> None:
        """See a search for passages end, and what became of the question before."""
        ...

    def called(self, operation: str, state: str, seconds: float) -> None:
        """See an action call end."""
        ...

    def finished(self, record: "TurnRecord") -> None:
        """See the turn end, well or not."""
        ...


@dataclass(slots=True)
class TurnRecord:
    """One chat turn, filled while it runs and final once its observers see it.

    Attributes:
        completion: id of the answer.
        revision: content hash of the persona.
        adapter: version that answered, such as `scrum-coach@3`; None for the base model.
        user: the client's word for its end user, if it said one.
        begun_at: wall clock, seconds since the epoch.
        started: monotonic seconds; every other time is seconds after it or a duration.
        retrieval: how the search ended (`not_used`, `found`, …).
        sources: ids of the passages in the prompt.
        rewrite: what became of the question before it was searched for (`none`, `history`, `model`).
        retrieval_seconds: its duration; None where there was none.
        engine_wait: seconds from the last engine call to its first frame: the engine's queue and prefill.
        first_token: seconds from `started` to the first text or tool call that the engine sent.
        gaps: seconds between the engine's later frames of text.
        finish: the finish reason of the (first) answer.
        error: code of the error that ended the turn.
        error_kind: which kind of error that was.
        abandoned: the client left before the end.
        private: the persona keeps its turns out of transcripts.
        content: the texts, where the operator opted in to keep them.
        answering: what answers, with its part in a rollout.
        seen: the answer itself, for as long as the turn lasts, where a rollout looks at it.
        seconds: duration of the whole turn.
        watcher: sees the steps as they happen, where the turn is traced.
    """

    completion: str
    principal: PrincipalId
    persona: PersonaId
    revision: str
    adapter: str | None
    conversation: ConversationId
    streamed: bool
    begun_at: float
    usage: UsageSum
    user: str | None = None
    started: float = field(default_factory=time.monotonic)
    retrieval: str = "not_used"
    rewrite: str = "none"
    sources: list[str] = field(default_factory=list)
    retrieval_seconds: float | None = None
    calls: list[TimedCall] = field(default_factory=list)
    engine_wait: float | None = None
    first_token: float | None = None
    gaps: list[float] = field(default_factory=list)
    finish: str | None = None
    error: str | None = None
    error_kind: ErrorKind | None = None
    abandoned: bool = False
    private: bool = False
    content: TurnContent | None = None
    answering: Answering | None = None
    seen: Seen | None = None
    seconds: float = 0.0
    watcher: TurnWatcher | None = None
    _asked: float = 0.0
    _last: float = 0.0

    def engine_asked(self) -> None:
        """Note that a call to the engine goes out."""
        self.usage.started()
        if self.seen is not None:
            self.seen.begin()
        self._asked = time.monotonic()
        self.engine_wait = None
        if self.watcher is not None:
            self.watcher.engine_asked()

    def engine_answers(self) -> None:
        """Note the engine's first frame of a call; further ones change nothing."""
        if self.engine_wait is None:
            self.engine_wait = time.monotonic() - self._asked
        if self.watcher is not None:
            self.watcher.engine_answers()

    def token(self) -> None:
        """Note that text or a tool call came from the engine."""
        now = time.monotonic()
        if self.first_token is None:
            self.first_token = now - self.started
        else:
            self.gaps.append(now - self._last)
        self._last = now

    def searched(self, outcome: str, begun: float) -> None:
        """Note a search for passages that began at `begun`, in monotonic seconds."""
        self.retrieval = outcome
        self.retrieval_seconds = time.monotonic() - begun
        if self.watcher is not None:
            self.watcher.searched(outcome, self.rewrite, self.retrieval_seconds)

    def called(self, operation: str, state: str, seconds: float) -> None:
        """Note an action call."""
        self.calls.append(TimedCall(operation, state, seconds))
        if self.watcher is not None:
            self.watcher.called(operation, state, seconds)

    def answer(self, index: int) -> list[str] | None:
        """Return where the pieces of an answer go as they are sent; None where no text is kept."""
        return None if self.content is None else self.content.answers.setdefault(index, [])

    def tokens(self) -> Usage:
        """Return the tokens of all engine calls."""
        return self.usage.total()


class TurnObserver(Protocol):
    """Reads finished turns. Called in the event loop: it must return at once and never raise."""

    def finished(self, record: TurnRecord) -> None:
        """Take note of a turn that has ended, well or not."""
        ...


@contextmanager
def _ending(record: TurnRecord, observers: Iterable[TurnObserver]) -> Iterator[None]:
    try:
        yield
    except RepertoryError as error:
        record.error, record.error_kind = error.code, error.kind
        raise
    except Exception:
        record.error, record.error_kind = "internal_error", ErrorKind.INTERNAL
        raise
    except BaseException:
        record.abandoned = True
        raise
    finally:
        record.seconds = time.monotonic() - record.started
        for observer in observers:
            observer.finished(record)
        record.seen = None  # the record may wait to be written; what was said must not
        if record.watcher is not None:
            record.watcher.finished(record)


async def observed(
    work: Callable[[], Awaitable[Result]], record: TurnRecord, observers: Iterable[TurnObserver]
) -> Result:
    """Run a turn to its end and show its record to the observers, however it ends."""
    with _ending(record, observers):
        return await work()


async def observed_stream(
    frames: AsyncGenerator[bytes, None], record: TurnRecord, observers: Iterable[TurnObserver]
) -> AsyncGenerator[bytes, None]:
    """Pass frames on and show the record to the observers once they end or are closed."""
    with _ending(record, observers):
        async with aclosing(frames):
            async for frame in frames:
                yield frame
