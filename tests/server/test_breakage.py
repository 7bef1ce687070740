"""The engine dies, stalls or refuses; the client leaves."""

import anyio
import httpx
import openai
import pytest

from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
BODY = {"model": "plain", "messages": [{"role": "user", "content": "Go"}]}
LONG = "one two three four five six"


async def _streamed(gateway: Gateway) -> httpx.Response:
    async with gateway.http() as http:
        return await http.post("/v1/chat/completions", json=BODY | {"stream": True})


@pytest.mark.parametrize("reply", [Reply(LONG, dies_after=3), Reply(LONG, error_after=3)])
async def test_an_engine_that_breaks_off_gives_exactly_one_error_frame(gateway: Gateway, reply: Reply) -> None:
    gateway.engine.will(reply)
    response = await _streamed(gateway)
    events = response.text.strip().split("\n\n")
    assert response.status_code == 200
    assert [event.startswith('data: {"error"') for event in events].count(True) == 1
    assert events[-1].startswith('data: {"error"')
    assert "[DONE]" not in response.text
    assert "boom" not in response.text


async def test_the_sdk_raises_when_the_engine_breaks_off(gateway: Gateway) -> None:
    gateway.engine.will(Reply(LONG, dies_after=2))
    with pytest.raises(openai.APIError) as caught:
        await gateway.stream("plain", "Go")
    assert caught.value.code == "upstream_failed"


async def test_an_engine_that_dies_before_the_first_byte_is_an_ordinary_502(gateway: Gateway) -> None:
    gateway.engine.will(Reply(LONG, dies_after=0))
    async with gateway.http() as http:
        whole = await http.post("/v1/chat/completions", json=BODY)
    assert whole.status_code == 502
    assert whole.json()["error"]["code"] == "upstream_failed"


async def test_a_stalled_engine_is_reported(start: Start) -> None:
    async with start(stall_seconds=1) as gateway:
        gateway.engine.will(Reply(LONG, hangs_after=2))
        response = await _streamed(gateway)
    assert '"code":"engine_stalled"' in response.text.strip().split("\n\n")[-1]


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("This model's maximum context length is 4096 tokens. However, …", 400, "context_length_exceeded"),
        ("Invalid grammar: unknown rule", 400, "engine_refused"),
    ],
)
async def test_vllms_refusals_are_said_in_our_words(
    gateway: Gateway, message: str, status: int, code: str
) -> None:
    gateway.engine.will(Reply(status=400, message=message))
    gateway.engine.will(Reply(status=400, message=message))
    async with gateway.http() as http:
        whole = await http.post("/v1/chat/completions", json=BODY)
    streamed = await _streamed(gateway)
    assert (whole.status_code, whole.json()["error"]["code"]) == (status, code)
    assert (streamed.status_code, streamed.json()["error"]["code"]) == (status, code)


async def test_validation_errors_of_vllm_that_quote_the_prompt_are_not_passed_on(gateway: Gateway) -> None:
    gateway.engine.will(Reply(status=400, message="1 error: {'input': 'You are plain.'}"))
    async with gateway.http() as http:
        text = (await http.post("/v1/chat/completions", json=BODY)).text
    assert "You are plain" not in text


async def test_an_engine_that_takes_no_connection_is_503(gateway: Gateway) -> None:
    gateway.engine.will(Reply(status=503, message="starting"))
    async with gateway.http() as http:
        response = await http.post("/v1/chat/completions", json=BODY)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine_at_once(gateway: Gateway, stream: bool) -> None:
    gateway.engine.will(Reply(LONG, hangs_after=3))
    left = anyio.Event()
    sent: list[dict[str, object]] = []
    body = httpx.Request("POST", "http://localhost:8000/", json=BODY | {"stream": stream}).read()
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if parts:
            return parts.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:8000"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
    }
    async with anyio.create_task_group() as group:
        group.start_soon(gateway.app, scope, receive, send)  # type: ignore[arg-type]  # plain ASGI dicts
        assert await anyio.to_thread.run_sync(gateway.engine.hanging.wait, 5)
        left.set()
        assert await anyio.to_thread.run_sync(gateway.engine.aborted.wait, 1)
    assert not any(message.get("body") == b"data: [DONE]\n\n" for message in sent)
