"""The wire: refusals in OpenAI's shape, nothing that reveals, embeddings."""

import base64
import struct
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from server.turn.request import ChatRequest
from server.wire import error_body, invalid_from_validation
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hi"}]
GOOD = {"model": "plain", "messages": MESSAGES}
JSON_TYPE = {"content-type": "application/json"}
KEYS = {"message", "type", "param", "code"}


def _error(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == KEYS
    assert response.headers["x-request-id"].startswith("req-")
    return error


@pytest.mark.parametrize(
    "name",
    [
        "prompt_logprobs",
        "echo",
        "return_token_ids",
        "return_prompt_text",
        "chat_template",
        "chat_template_kwargs",
        "add_generation_prompt",
        "continue_final_message",
        "documents",
        "priority",
        "kv_transfer_params",
        "cache_salt",
        "structured_outputs",
        "logits_processors",
        "made_up",
    ],
)
async def test_parameters_that_could_reveal_are_refused_by_name(gateway: Gateway, name: str) -> None:
    async with gateway.http() as http:
        response = await http.post(CHAT, json=GOOD | {name: True})
    error = _error(response)
    assert (response.status_code, error["param"], error["code"]) == (400, name, "unknown_parameter")
    assert gateway.engine.requests == []


async def test_harmless_openai_parameters_are_taken_and_kept_from_the_engine(gateway: Gateway) -> None:
    extra = {"user": "u", "metadata": {"a": "b"}, "service_tier": "auto", "store": False, "verbosity": "medium"}
    async with gateway.http() as http:
        assert (await http.post(CHAT, json=GOOD | extra)).status_code == 200
    assert set(gateway.engine.requests[0]) == {"model", "messages", "max_tokens", "stream"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"n": 10**6}, "n"),
        ({"temperature": 9}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"seed": 2**70}, "seed"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"model": 7}, "model"),
        ({"store": True}, "store"),
        ({"stream_options": {"x": 1}}, "stream_options.x"),
    ],
)
async def test_wrong_values_are_400_and_name_their_field(
    gateway: Gateway, change: dict[str, Any], param: str
) -> None:
    async with gateway.http() as http:
        response = await http.post(CHAT, json=GOOD | change)
    assert response.status_code == 400
    assert _error(response)["param"] == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": NaN}',
        b'{"a":' * 2000,
        b'{"model":"plain","messages":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"model":"plain","messages":[{"role":"user","content":"\\ud800"}]}',
        b"\xff\xfe",
    ],
)
async def test_bodies_that_are_no_usable_json_are_400(gateway: Gateway, body: bytes) -> None:
    async with gateway.http() as http:
        response = await http.post(CHAT, content=body, headers=JSON_TYPE)
    assert response.status_code == 400
    _error(response)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(ChatRequest.model_fields)), JSON_VALUES))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_request_is_either_understood_or_refused_in_the_errors_shape(fields: dict[str, Any]) -> None:
    try:
        ChatRequest.model_validate(fields)
    except ValidationError as error:
        body = error_body(invalid_from_validation(error))["error"]
        assert set(body) == KEYS
        assert body["message"]
        assert body["param"]


async def test_unknown_addresses_and_methods_have_the_errors_shape(gateway: Gateway) -> None:
    async with gateway.http() as http:
        missing, wrong = await http.get("/v1/nothing"), await http.get(CHAT)
    assert (missing.status_code, _error(missing)["code"]) == (404, "unknown_url")
    assert (wrong.status_code, _error(wrong)["code"]) == (405, "method_not_allowed")


async def test_foreign_hosts_and_pages_are_turned_away(gateway: Gateway) -> None:
    async with gateway.http() as http:
        rebound = await http.get("/v1/models", headers={"host": "evil.example:8000"})
        page = await http.get("/v1/models", headers={"origin": "https://evil.example"})
        null = await http.get("/v1/models", headers={"origin": "null"})
        own = await http.get("/v1/models", headers={"origin": "http://localhost:8000"})
    assert (rebound.status_code, _error(rebound)["code"]) == (403, "host_not_allowed")
    assert (page.status_code, _error(page)["code"]) == (403, "origin_not_allowed")
    assert null.status_code == 403
    assert own.status_code == 200


async def test_hosts_and_origins_can_be_allowed_by_setting(start: Start) -> None:
    settings = {"allowed_hosts": "lab.example", "allowed_origins": "https://page.example"}
    async with start(**settings) as gateway, gateway.http(host="lab.example") as http:
        answer = await http.get("/v1/models", headers={"origin": "https://page.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://page.example"


async def test_a_plain_web_form_cannot_post(gateway: Gateway) -> None:
    async with gateway.http() as http:
        form = await http.post(CHAT, content=b"{}", headers={"content-type": "text/plain"})
        bare = await http.post(CHAT, content=b"{}")
    assert (form.status_code, _error(form)["code"]) == (400, "unsupported_media_type")
    assert bare.status_code == 400


async def test_large_bodies_are_413_said_beforehand_or_not(start: Start) -> None:
    async def parts() -> Any:
        for _ in range(4):
            yield b" " * 1000

    async with start(max_body_bytes=2000) as gateway, gateway.http() as http:
        said = await http.post(CHAT, content=b" " * 3000, headers=JSON_TYPE)
        streamed = await http.post(CHAT, content=parts(), headers=JSON_TYPE)
    assert [said.status_code, streamed.status_code] == [413, 413]
    assert _error(streamed)["code"] == "request_too_large"


async def test_embeddings_are_the_same_as_floats_and_as_base64(gateway: Gateway) -> None:
    client = gateway.openai(strict=False)  # strict, the SDK refuses the base64 that it asked for itself
    model = "all-MiniLM-L6-v2"
    floats = await client.embeddings.create(model=model, input=["a cat", "a dog"], encoding_format="float")
    packed = await client.embeddings.create(model=model, input="a cat")
    async with gateway.http() as http:
        body = {"model": model, "input": "a cat", "encoding_format": "base64"}
        raw = base64.b64decode((await http.post("/v1/embeddings", json=body)).json()["data"][0]["embedding"])
    assert [one.index for one in floats.data] == [0, 1]
    assert len(floats.data[0].embedding) == 384
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding)
    assert list(struct.unpack("<384f", raw)) == pytest.approx(floats.data[0].embedding)


@pytest.mark.parametrize("given_input", [[1, 2], [[1, 2]], [], "", [""], {}, None, ["a", 1]])
async def test_embedding_inputs_that_are_no_texts_are_refused_in_words(gateway: Gateway, given_input: Any) -> None:
    async with gateway.http() as http:
        body = {"model": "all-MiniLM-L6-v2", "input": given_input}
        response = await http.post("/v1/embeddings", json=body)
    assert (response.status_code, _error(response)["param"]) == (400, "input")


async def test_embeddings_of_another_length_or_model_are_refused(gateway: Gateway) -> None:
    client = gateway.openai()
    with pytest.raises(openai.BadRequestError) as length:
        await client.embeddings.create(model="all-MiniLM-L6-v2", input="x", dimensions=64)
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model="text-embedding-3-small", input="x")
    assert length.value.param == "dimensions"


async def test_a_client_that_leaves_in_mid_body_is_no_defect_in_the_log(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A half body, then nothing: uvicorn says so to the application by `http.disconnect`."""
    arriving: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"model":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": CHAT}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return arriving.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await gateway.app(scope | {"query_string": b"", "raw_path": CHAT.encode(), "headers": headers}, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [502]
    assert b"client_gone" in sent[-1]["body"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
