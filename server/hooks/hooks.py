"""The hooks of the server: whose signature it is, what is taken in, and the worker that answers and calls back.

Knows no chat turn: whoever runs it gives it what answers.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio

from core.clock import Clock
from core.errors import NotAuthenticated, RateLimited, RepertoryError, Unavailable, UpstreamFailed
from core.ids import PersonaId
from server.hooks.courier import Courier
from server.hooks.job import Callback, Job, Outcome, failed
from server.hooks.signature import matching
from server.hooks.store import HookJobs
from server.personas.schema import HookPart

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
_SWEEP_SECONDS = 3_600.0
_AT_ONCE = 4
_MOST_ATTEMPTS = 5
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 3_600.0
LONGEST_TRYING = 86_400.0
"""Seconds after which a job that cannot be answered fails, and a callback that nobody takes is given up."""

_NOBODY = b"no hook has this key, and so nobody signs with it"
_PASSING = (Unavailable, RateLimited, UpstreamFailed)


class Answers(Protocol):
    """What the worker needs of the chat turn."""

    async def answer(self, job: Job) -> Outcome:
        """Ask, and return what came of it."""
        ...

    def decided(self, job: Job) -> bool:
        """Tell whether a person has decided on every call of a job that waits."""
        ...


HooksOf = Callable[[PersonaId], Sequence[HookPart]]
"""The hooks of a persona that serves now; none where there is no such persona."""


class Hooks:
    """Takes questions in and answers them, one step at a time, each step written down."""

    def __init__(self, store: HookJobs, courier: Courier, clock: Clock, hooks_of: HooksOf) -> None:
        self.store = store
        self._courier = courier
        self._clock = clock
        self._hooks_of = hooks_of
        self._wake = anyio.Event()
        self._busy: set[str] = set()
        self._next_sweep = 0.0

    def signer(self, persona: PersonaId, timestamp: str | None, signature: str | None, content: bytes) -> HookPart:
        """Return the hook of `persona` that signed `content`.

        Raises:
            NotAuthenticated: none; an unknown persona looks the same.
        """
        known: list[tuple[HookPart, bytes]] = []
        for hook in self._hooks_of(persona):
            try:
                known.append((hook, self._courier.key(hook.secret, persona)))
            except RepertoryError as error:
                _LOG.error("the hook %r of %r cannot be used: %s", hook.name, persona, error.code)
        keys = [key for _, key in known] or [_NOBODY]
        number = matching(keys, timestamp, signature, content, self._clock())
        if not known:
            raise self.unsigned()
        return known[number][0]

    def unsigned(self) -> NotAuthenticated:
        """Return the refusal of what nobody has signed."""
        return NotAuthenticated("No hook of this persona has signed this.", code="invalid_signature")

    def check_callback(self, hook: HookPart, persona: PersonaId, url: str) -> None:
        """Check that a hook may call `url` back.

        Raises:
            SecretRefused: its secret is not bound to that host, or would prove itself in the clear.
        """
        self._courier.key(hook.secret, persona, url)

    def wake(self) -> None:
        """Tell the worker that there is something to do."""
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._busy

    async def run(self, answers: Answers) -> None:
        """Answer and call back for as long as the server runs."""
        self._busy.clear()
        async with anyio.create_task_group() as group:
            while True:
                self._wake = anyio.Event()
                await self._release(answers)
                await self._start(group.start_soon, answers)
                with anyio.move_on_after(_POLL_SECONDS):
                    await self._wake.wait()

    async def aclose(self) -> None:
        """Close the client."""
        await self._courier.aclose()

    async def _start(self, start_soon: Callable[..., object], answers: Answers) -> None:
        """Begin what is due, as far as there is room."""
        while len(self._busy) < _AT_ONCE:
            told = await anyio.to_thread.run_sync(self.store.next_callback, frozenset(self._busy))
            if told is not None:
                job, callback = told
                self._busy.add(callback.id)
                start_soon(self._finally, callback.id, lambda j=job, c=callback: self._tell(j, c))
                continue
            due = await anyio.to_thread.run_sync(self.store.next, frozenset(self._busy))
            if due is None:
                return
            self._busy.add(due.id)
            start_soon(self._finally, due.id, lambda j=due: self._answer(j, answers))

    async def _finally(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # the worker edge: one job must not end the others
            _LOG.exception("the job or callback %r", name)
        finally:
            self._busy.discard(name)
            self._wake.set()

    async def _answer(self, job: Job, answers: Answers) -> None:
        if job.attempts >= _MOST_ATTEMPTS:
            text = f"The server stopped {job.attempts} times while it answered this."
            await self._finish(job, failed("server_error", text))
            return
        await anyio.to_thread.run_sync(self.store.begin, job)
        try:
            outcome = await answers.answer(job)
        except _PASSING as error:
            now = self._clock()
            if now - job.created_at < LONGEST_TRYING:
                pause = min(_LONGEST_PAUSE, max(error.retry_after or 0, _pause(now - job.created_at)))
                await anyio.to_thread.run_sync(self.store.postpone, job, now + pause)
                return
            outcome = failed(error.code, error.message)
        except RepertoryError as error:
            outcome = failed(error.code, error.message)
        except Exception:  # the worker edge
            _LOG.exception("the job %r", job.id)
            outcome = failed("internal_error", f"The server failed on this job. Its log has {job.id!r}.")
        except BaseException:  # the server is being stopped, for which the job is not to blame
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.store.postpone, job, job.next_at)
            raise
        await self._finish(job, outcome)

    async def _finish(self, job: Job, outcome: Outcome) -> None:
        await anyio.to_thread.run_sync(self.store.finish, job, outcome)
        _LOG.info("the job %r of the hook %r is %s", job.id, job.hook, outcome.state.value)

    async def _tell(self, job: Job, callback: Callback) -> None:
        hook = next((one for one in self._hooks_of(job.persona) if one.name == job.hook), None)
        told = None
        if hook is not None and job.callback_url is not None:
            told = await self._courier.tell(callback, job.callback_url, hook.secret, job.persona)
        if told is not None and told.ok:
            await anyio.to_thread.run_sync(self.store.delivered, callback, told.status)
            return
        now, again = self._clock(), None
        if now - callback.begun_at < LONGEST_TRYING and not (told is not None and told.over):
            again = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(callback.attempts, 20))
        status = told.status if told is not None else None
        await anyio.to_thread.run_sync(self.store.undelivered, callback, status, again)
        _LOG.warning("the callback %r of the job %r was not taken (status %s)", callback.id, job.id, status)

    async def _release(self, answers: Answers) -> None:
        """Queue again the jobs whose calls were decided on, and now and then delete old ones."""
        for job in await anyio.to_thread.run_sync(self.store.waiting):
            try:
                ready = await anyio.to_thread.run_sync(answers.decided, job)
            except RepertoryError:
                ready = True  # asked again, it fails and says why
            if ready:
                await anyio.to_thread.run_sync(self.store.go_on, job)
        if self._clock() >= self._next_sweep:
            self._next_sweep = self._clock() + _SWEEP_SECONDS
            await anyio.to_thread.run_sync(self.store.sweep)


def _pause(waited: float) -> float:
    """Wait about as long as was waited already: 10 s at first, twice as long each time."""
    return max(_FIRST_PAUSE, waited)
