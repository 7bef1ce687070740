"""The event stream: comments in silence, and LangChain as one more client."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from starlette.types import Message

from core.errors import Unavailable
from server.sse import KEEP_ALIVE, EventStream
from tests.server.conftest import Gateway

pytestmark = pytest.mark.anyio


@dataclass
class Receiver:
    """A client that stays; it tells when the first comment has come."""

    commented: anyio.Event = field(default_factory=anyio.Event)
    started: list[Message] = field(default_factory=list)
    body: bytes = b""

    async def receive(self) -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started.append(message)
        self.body += message.get("body", b"")
        if KEEP_ALIVE in self.body:
            self.commented.set()


async def _frames(*steps: bytes | Exception | anyio.Event) -> AsyncGenerator[bytes, None]:
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, anyio.Event):
            await step.wait()
        else:
            yield step


async def _sent(client: Receiver, *steps: bytes | Exception | anyio.Event, keep_alive: float = 60) -> bytes:
    with anyio.fail_after(5):
        await EventStream(_frames(*steps), keep_alive=keep_alive)({"type": "http"}, client.receive, client.send)
    assert len(client.started) == 1
    return client.body


async def test_long_silence_is_bridged_by_comments() -> None:
    client = Receiver()
    body = await _sent(client, client.commented, b"data: 1\n\n", keep_alive=0.01)
    assert body.startswith(KEEP_ALIVE)
    assert body.endswith(b"data: 1\n\n")


async def test_a_client_that_is_slow_to_take_a_frame_gets_no_comment_in_between() -> None:
    class Slow(Receiver):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message.get("body"):
                await anyio.sleep(1.1)

    assert await _sent(Slow(), b"data: 1\n\n", b"data: 2\n\n", keep_alive=0.5) == b"data: 1\n\ndata: 2\n\n"


async def test_a_failure_after_a_comment_is_an_error_frame() -> None:
    client = Receiver()
    body = await _sent(client, client.commented, Unavailable("Gone."), keep_alive=0.01)
    assert client.started[0]["status"] == 200
    assert body.split(b"\n\n")[-2].startswith(b'data: {"error":{"message":"Gone."')


async def test_a_failure_before_the_first_byte_is_an_ordinary_response() -> None:
    client = Receiver()
    body = await _sent(client, Unavailable("Gone.", retry_after=3))
    assert client.started[0]["status"] == 503
    assert (b"retry-after", b"3") in client.started[0]["headers"]
    assert body.startswith(b'{"error":')


async def test_a_defect_of_ours_is_told_without_its_details() -> None:
    body = await _sent(Receiver(), b"data: 1\n\n", ZeroDivisionError("secret detail"))
    assert body.startswith(b'data: 1\n\ndata: {"error"')
    assert b"secret detail" not in body


async def test_langchain_answers_and_streams(gateway: Gateway) -> None:
    gateway.engine.will("Good day.", "Good day.")
    model = ChatOpenAI(
        model="plain",
        base_url=f"{gateway.base}/v1",
        api_key=SecretStr("none"),
        http_async_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(gateway.app)),
        stream_usage=True,
    )
    answer = await model.ainvoke("Hi")
    parts = [part async for part in model.astream("Hi")]
    assert answer.content == "Good day."
    assert "".join(str(part.content) for part in parts) == "Good day."
    assert any(part.usage_metadata for part in parts)
