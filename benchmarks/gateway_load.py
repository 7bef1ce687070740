"""A load generator for streamed answers: open loop at a rate, or a number of clients that ask on and on.

Run as `python -m benchmarks.gateway_load`: a process of its own that reads one `Job` a line, does it, and
writes one `Outcome` a line. A token's delay is the time from its sending by the simulated upstream, which
runs on the same clock, to its arrival here.
"""

import asyncio
import contextlib
import gc
import json
import random
import re
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

_TEXT = re.compile(rb'"content": ?"(?!")')
_END = b"0\r\n\r\n"
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """One window of load.

    Attributes:
        port: whom to ask, on loopback.
        upstream: port of the simulated upstream, which tells when it sent each token.
        tokens: how many pieces with text make an answer whole.
        rate: requests a second that arrive at random (Poisson); 0 keeps `clients` of them busy instead.
    """

    port: int
    upstream: int
    model: str
    seconds: float
    tokens: int
    rate: float = 0.0
    clients: int = 0
    first_number: int = 0
    seed: int = 0
    key: str = "none"


@dataclass(slots=True)
class Outcome:
    """What came of a window; all times in seconds.

    Attributes:
        asked: requests sent.
        whole: answers that came complete.
        failed: answers that did not, with the first thing that was wrong.
        first: from the request to its first token, one for each whole answer.
        gaps: mean time between its tokens, one for each whole answer.
        delays: from upstream to here, one for each token but the first of each answer.
        elapsed: length of the window with the last answers.
        in_time: whole answers that came within the window.
    """

    asked: int = 0
    whole: int = 0
    failed: int = 0
    problem: str = ""
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    in_time: int = 0


@dataclass(slots=True)
class Answer:
    """One answer as it comes in."""

    number: int
    began: float
    times: list[float] = field(default_factory=list)
    ended: float = 0.0
    problem: str = ""


class Client(asyncio.Protocol):
    """A kept connection; reads one streamed answer at a time."""

    def __init__(self, done: Callable[["Client", Answer], None]) -> None:
        self._done = done
        self._answer: Answer | None = None
        self._head = True
        self._marked = False
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is none by class

    def ask(self, answer: Answer, request: bytes) -> None:
        self._answer, self._head, self._marked, self._tail = answer, True, False, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        answer = self._answer
        if answer is None:
            return
        if self._head:
            self._head = False
            if not data.startswith(b"HTTP/1.1 200"):
                answer.problem = data[:400].decode("latin-1")
                self._finish()
                self.transport.close()
                return
        seen = self._tail + data
        events, mark, rest = seen.rpartition(b"\n\n")
        answer.times += [now] * len(_TEXT.findall(events))
        self._marked = self._marked or b"data: [DONE]" in events
        self._tail = rest if mark else seen
        if seen.endswith(_END):
            if not self._marked:
                answer.problem = "the stream ended without [DONE]"
            self._finish()

    def give_up(self) -> None:
        self._answer = None
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            self._answer.problem = "the connection broke"
            self._finish()

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        answer.ended = time.monotonic()
        self._done(self, answer)


class Window:
    """Does one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._idle: list[Client] = []
        self._clients: list[Client] = []
        self._answers: list[Answer] = []
        self._numbers = iter(range(job.first_number, sys.maxsize))
        self._left = 0
        self._ends = 0.0
        self._drained = asyncio.Event()
        self._dialling: set[asyncio.Task[None]] = set()

    async def run(self) -> Outcome:
        """Send the requests, wait for the answers, and count."""
        job = self._job
        for _ in range(max(job.clients, int(job.rate / 2) + 8)):
            self._idle.append(await self._dialled())
        began = time.monotonic()
        self._ends = began + job.seconds
        if job.rate:
            await self._arrive(random.Random(job.seed))
        else:
            for _ in range(job.clients):
                self._ask()
            await asyncio.sleep(job.seconds)
        if self._left:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), _PATIENCE_SECONDS)
        for answer in self._answers:
            if not answer.ended and not answer.problem:
                answer.problem, answer.ended = "not whole when patience ended", time.monotonic()
        for client in self._clients:
            client.give_up()
        return _outcome(job, self._answers, began, self._ends)

    async def _arrive(self, chance: random.Random) -> None:
        due = time.monotonic()
        while (due := due + chance.expovariate(self._job.rate)) < self._ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._ask()

    def _ask(self) -> None:
        answer = Answer(next(self._numbers), time.monotonic())
        self._answers.append(answer)
        self._left += 1
        self._drained.clear()
        while self._idle and self._idle[-1].transport.is_closing():  # the server had enough of waiting
            self._idle.pop()
        if self._idle:
            self._idle.pop().ask(answer, _request(self._job, answer.number))
        else:
            task = self._loop.create_task(self._dial_and_ask(answer))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    async def _dial_and_ask(self, answer: Answer) -> None:
        (await self._dialled()).ask(answer, _request(self._job, answer.number))

    async def _dialled(self) -> Client:
        _, client = await self._loop.create_connection(lambda: Client(self._done), "127.0.0.1", self._job.port)
        self._clients.append(client)
        return client

    def _done(self, client: Client, answer: Answer) -> None:
        self._left -= 1
        if not self._left:
            self._drained.set()
        if not client.transport.is_closing():
            self._idle.append(client)
        if not self._job.rate and answer.ended < self._ends:
            self._ask()


def _request(job: Job, number: int) -> bytes:
    question = f"This is question {number}: how do I send a parcel back, and when is order {number} paid?"
    messages = [{"role": "user", "content": question}]
    body = json.dumps({"model": job.model, "messages": messages, "stream": True}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n" % (job.port, job.key.encode(), len(body)) + body
    )


def _outcome(job: Job, answers: list[Answer], began: float, ends: float) -> Outcome:
    with urllib.request.urlopen(f"http://127.0.0.1:{job.upstream}/times") as response:
        sent: dict[str, list[float]] = json.load(response)
    outcome = Outcome(asked=len(answers), elapsed=max((a.ended for a in answers), default=ends) - began)
    for answer in answers:
        if not answer.problem and len(answer.times) != job.tokens:
            answer.problem = f"{len(answer.times)} pieces with text, not {job.tokens}"
        if answer.problem:
            outcome.failed += 1
            outcome.problem = outcome.problem or answer.problem
            continue
        outcome.whole += 1
        outcome.in_time += answer.ended < ends
        outcome.first.append(answer.times[0] - answer.began)
        outcome.gaps.append((answer.times[-1] - answer.times[0]) / (job.tokens - 1))
        departures = sent[str(answer.number)]
        outcome.delays += [came - went for came, went in zip(answer.times[1:], departures[1:], strict=True)]
    return outcome


async def main() -> None:
    """Do jobs until the standard input ends."""
    gc.disable()
    while line := await asyncio.to_thread(sys.stdin.readline):
        outcome = await Window(Job(**json.loads(line))).run()
        print(json.dumps(asdict(outcome)), flush=True)
        gc.collect()


if __name__ == "__main__":
    uvloop.run(main())
