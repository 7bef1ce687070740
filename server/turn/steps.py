"""The action calls of one turn, as the `repertory` block shows them, and telling of them while they happen."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

import anyio

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ActionStep:
    """One action call of the turn."""

    action: str
    arguments: str
    state: str
    approval: str | None = None

    def shown(self) -> Mapping[str, object]:
        """Return the step for the wire."""
        return {
            "action": self.action,
            "arguments": self.arguments,
            "state": self.state,
            "approval": self.approval,
        }


class Steps(Sequence[ActionStep]):
    """The calls that have come to something, in that order; who listens hears of beginnings, too."""

    def __init__(self) -> None:
        self._made: list[ActionStep] = []
        self._listeners: list[Callable[[ActionStep], None]] = []

    def begins(self, action: str, arguments: str) -> None:
        """Tell that a call begins."""
        self._tell(ActionStep(action, arguments, "running"))

    def append(self, step: ActionStep) -> None:
        """Add a call and tell what came of it."""
        self._made.append(step)
        self._tell(step)

    def listen(self, listener: Callable[[ActionStep], None]) -> Callable[[], None]:
        """Tell `listener` of each step from now on; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, step: ActionStep) -> None:
        for listener in self._listeners:
            listener(step)

    @overload
    def __getitem__(self, index: int) -> ActionStep: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ActionStep]: ...
    def __getitem__(self, index: int | slice) -> ActionStep | Sequence[ActionStep]:
        """Return one or several of the calls."""
        return self._made[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._made)

    def __iter__(self) -> Iterator[ActionStep]:
        """Go through the calls."""
        return iter(self._made)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What some work came to."""

    value: Result


async def told(
    work: Callable[[], Awaitable[Result]], steps: Steps, *, live: bool
) -> AsyncGenerator[ActionStep | Outcome[Result], None]:
    """Do some work and yield its steps as they happen, and then its outcome; without `live` the outcome alone.

    The work stays in a scope of the caller's: if the caller is cancelled or stops listening, so is the work.
    """
    if not live:
        yield Outcome(await work())
        return
    send, receive = anyio.create_memory_object_stream[ActionStep | Outcome[Result] | Exception](math.inf)

    async def run() -> None:
        try:
            send.send_nowait(Outcome(await work()))
        except Exception as error:  # carried over to whoever waits, as a task group would wrap it
            send.send_nowait(error)

    deaf = steps.listen(send.send_nowait)
    try:
        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(run)
                try:
                    while True:
                        told_of = await receive.receive()
                        if isinstance(told_of, Exception):
                            raise told_of
                        yield told_of
                        if isinstance(told_of, Outcome):
                            break
                except GeneratorExit:  # a task group would wrap it
                    group.cancel_scope.cancel()
    except ExceptionGroup as wrapped:
        raise wrapped.exceptions[0] from wrapped.exceptions[0].__cause__
    finally:
        deaf()
