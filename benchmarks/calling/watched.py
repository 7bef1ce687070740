"""An engine that writes down how a model tries to call, and the verdict on what it tried.

The turn never sees a difference, except where the comparison wants it: the decision may be given, and the answer
in words, which is not what is compared, is cut short.
"""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from actions import ActionSet, ArgumentsInvalid
from actions.naming import NOTHING
from benchmarks.calling.judged import Asked
from server.engine_port import Choice, Engine, Frame, Message, Payload, Readiness

ANSWER_TOKENS = 16
_TAG = "<tool_call>"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One engine answer that tries to call.

    Attributes:
        operation: its name; empty where the answer cannot be read as a call.
        arguments: as the model wrote them.
        seconds: of the engine since the question came, the decision included.
        cut: the answer ended at its limit.
    """

    operation: str
    arguments: str
    seconds: float
    cut: bool


class WatchedEngine:
    """Passes everything on to an engine and keeps the attempts of the turn under way.

    Args:
        inner: the engine.
        made: tells whether a call was made in this turn, so that words come next.
    """

    def __init__(self, inner: Engine, made: Callable[[], bool]) -> None:
        self._inner = inner
        self._made = made
        self.begin(None)

    def begin(self, given: str | None) -> None:
        """Forget the turn before.

        Args:
            given: the operation that the decision names without asking the engine; None: the model decides.
        """
        self._attempts: list[Attempt] = []
        self._given, self._chosen, self._open, self._seconds = given, "", False, 0.0

    def attempts(self) -> list[Attempt]:
        """Return the attempts of the turn; an operation without arguments is called once it is chosen."""
        if self._open:
            self._attempts.append(Attempt(self._chosen, "{}", self._seconds, cut=False))
            self._open = False
        return self._attempts

    @property
    def base_model(self) -> str:
        """As the inner one's."""
        return self._inner.base_model

    def ready(self) -> Readiness:
        """As the inner one's."""
        return self._inner.ready()

    async def chat(self, model: str, payload: Payload) -> Frame:
        """Ask, unless the decision is given, and note what the answer tries."""
        if "structured_outputs" in payload:
            return await self._decision(model, payload)
        if "response_format" in payload:
            self._open, written = False, self._chosen
        elif "tools" in payload and not self._made():
            written = ""
        else:
            return await self._ask(model, {**payload, "max_tokens": ANSWER_TOKENS})
        frame = await self._ask(model, payload)
        self._note(frame["choices"][0], written)
        return frame

    def stream(self, model: str, payload: Payload) -> AsyncGenerator[Frame, None]:
        """Stream, unseen: the comparison asks for whole answers."""
        return self._inner.stream(model, payload)

    async def _decision(self, model: str, payload: Payload) -> Frame:
        self.attempts()
        frame = await self._ask(model, payload) if self._given is None else _said(self._given)
        self._given = None if self._given is None else NOTHING
        word = (frame["choices"][0].get("message", Message()).get("content") or "").strip()
        self._chosen, self._open = word, word != NOTHING
        return frame

    async def _ask(self, model: str, payload: Payload) -> Frame:
        began = time.perf_counter()
        frame = await self._inner.chat(model, payload)
        self._seconds += time.perf_counter() - began
        return frame

    def _note(self, choice: Choice, written: str) -> None:
        message, cut = choice.get("message", Message()), choice["finish_reason"] not in ("stop", "tool_calls")
        text = (message.get("content") or "").strip()
        calls = message.get("tool_calls")
        if written:
            self._attempts.append(Attempt(written, text, self._seconds, cut))
        elif calls:
            function = calls[0]["function"]
            self._attempts.append(Attempt(function["name"], function["arguments"], self._seconds, cut))
        elif _TAG in text:
            self._attempts.append(Attempt("", text, self._seconds, cut))


def _said(word: str) -> Frame:
    choice = Choice(index=0, message=Message(role="assistant", content=word), finish_reason="stop")
    return Frame(id="", object="chat.completion", created=0, model="", choices=[choice])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one question.

    Attributes:
        tried: the model tried to call.
        first: its first try parses and validates.
        valid: that one or the corrected one does.
        right: the call is of the right operation.
        exact: it has the right arguments, too.
        cut: a try ended at its limit.
        call_seconds: of the engine until the call stood; None without a valid one.
        seconds: of the whole turn.
        arrived: calls that the service saw.
    """

    tried: bool
    first: bool
    valid: bool
    right: bool
    exact: bool
    cut: bool
    call_seconds: float | None
    seconds: float
    arrived: int


def judge(
    asked: Asked, attempts: Sequence[Attempt], actions: ActionSet, *, seconds: float, arrived: int
) -> Verdict:
    """Judge the first call that is well-formed: one that is valid and not what was asked for is wrong."""
    read = [(one, _arguments(one, actions)) for one in attempts]
    call, arguments = next(((one, found) for one, found in read if found is not None), (None, None))
    right = call is not None and call.operation == asked.operation
    return Verdict(
        tried=bool(attempts),
        first=bool(read) and read[0][1] is not None,
        valid=call is not None,
        right=right,
        exact=right and arguments == asked.arguments,
        cut=any(one.cut for one in attempts),
        call_seconds=call.seconds if call is not None else None,
        seconds=seconds,
        arrived=arrived,
    )


def _arguments(attempt: Attempt, actions: ActionSet) -> dict[str, object] | None:
    try:
        return dict(actions.validate(attempt.operation, attempt.arguments))
    except ArgumentsInvalid:
        return None
