"""What Slack delivers, by web socket or by signed HTTP: until it is acknowledged, four times at most."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import urllib.parse
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

_TRIES = 4


@dataclass
class Delivery:
    """One thing to deliver.

    Attributes:
        tries: how often it went out.
        taken: seconds from each try to its acknowledgement.
    """

    kind: str
    body: dict[str, Any]
    key: str
    tries: int = 0
    taken: list[float] = field(default_factory=list)
    answer: object = None
    acked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Deliveries:
    """The sending half of Slack.

    Attributes:
        ack_seconds: how long an acknowledgement may take.
        pauses: seconds before each further try; Slack's are 0, 60 and 300.
        deaf: acknowledgements that get lost on their way.
        door: URL of HTTP deliveries; None: web sockets.
        secret: signs them.
        late: seconds that the timestamps of HTTP deliveries lie back.
        statuses: of HTTP deliveries.
    """

    ack_seconds: float = 3.0
    pauses: tuple[float, ...] = (0.0, 0.1, 0.2)
    deaf: int = 0
    door: str | None = None
    secret: str = ""
    late: float = 0.0
    made: list[Delivery] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None
    _waiting: dict[str, tuple[Delivery, float]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _turn: int = 0

    def send(self, kind: str, body: dict[str, Any], key: str) -> Delivery:
        """Deliver something, from any thread."""
        delivery = Delivery(kind, body, key)
        self.made.append(delivery)
        self._start(self._deliver(delivery))
        return delivery

    def again(self, delivery: Delivery) -> None:
        """Deliver the very same once more, acknowledged or not."""
        self._start(self._try(delivery, 0))

    def cut(self) -> None:
        """Break every web socket off."""

        async def closing() -> None:
            for socket in list(self.sockets):
                await socket.close(code=1011)

        self._start(closing())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert self.loop is not None

        def begin() -> None:
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self.loop.call_soon_threadsafe(begin)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        for socket in list(self.sockets):
            await socket.close()

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Hold a web socket until it closes."""
        self.sockets.append(socket)
        try:
            await socket.send_json({"type": "hello", "num_connections": len(self.sockets)})
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledge(json.loads(message.data))
        finally:
            self.sockets.remove(socket)

    def _acknowledge(self, told: dict[str, Any]) -> None:
        found = self._waiting.get(told["envelope_id"])
        if found is None:
            return
        delivery, begun = found
        if self.deaf > 0:
            self.deaf -= 1
            return
        delivery.taken.append(time.monotonic() - begun)
        delivery.answer = told.get("payload")
        delivery.acked.set()

    async def _deliver(self, delivery: Delivery) -> None:
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(self.pauses[number - 1])
            await self._try(delivery, number)
            if delivery.acked.is_set():
                return

    async def _try(self, delivery: Delivery, number: int) -> None:
        if self.door is not None:
            await self._post(delivery, number)
            return
        while not (open_ones := [one for one in self.sockets if not one.closed]):
            await asyncio.sleep(0.02)
        self._turn += 1
        envelope: dict[str, Any] = {
            "envelope_id": f"env-{next(self._numbers)}",
            "type": delivery.kind,
            "payload": delivery.body,
        }
        envelope["accepts_response_payload"] = delivery.kind != "events_api"
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
        self._waiting[str(envelope["envelope_id"])] = (delivery, time.monotonic())
        delivery.tries += 1
        try:
            await open_ones[self._turn % len(open_ones)].send_json(envelope)
            await asyncio.wait_for(delivery.acked.wait(), self.ack_seconds)
        except (TimeoutError, ConnectionError):
            return

    async def _post(self, delivery: Delivery, number: int) -> None:
        assert self.door is not None
        body, kind = content(delivery)
        stamp = str(int(time.time() - self.late))
        headers = {"content-type": kind, "x-slack-request-timestamp": stamp}
        headers["x-slack-signature"] = signature(self.secret, stamp, body)
        if number:
            headers |= {"x-slack-retry-num": str(number), "x-slack-retry-reason": "http_timeout"}
        delivery.tries += 1
        begun = time.monotonic()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(self.ack_seconds)) as session,
                session.post(self.door, data=body, headers=headers) as answer,
            ):
                self.statuses.append(answer.status)
                text = await answer.text()
                if answer.status == 200 and self.deaf > 0:
                    self.deaf -= 1
                elif answer.status == 200:
                    delivery.taken.append(time.monotonic() - begun)
                    delivery.answer = json.loads(text) if text.startswith("{") else text
                    delivery.acked.set()
        except (TimeoutError, aiohttp.ClientError):
            return


def content(delivery: Delivery) -> tuple[bytes, str]:
    """Return a delivery as the body of a request: JSON for events, a form for the rest."""
    if delivery.kind == "events_api":
        return json.dumps(delivery.body).encode(), "application/json"
    fields = delivery.body if delivery.kind == "slash_commands" else {"payload": json.dumps(delivery.body)}
    return urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Return Slack's signature, version 0."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
