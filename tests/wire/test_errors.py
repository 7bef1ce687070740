"""Failures as the official client reads them: the right exception, with code, param, type and request id."""

from typing import Any

import httpx
import openai
import pytest

from core.principal import Scope
from server.engine_port import Readiness
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}]}
TOO_LONG = Reply(status=400, message="This model's maximum context length is 4096 tokens.")


async def _failure(gateway: Gateway, key: str = "none", **fields: Any) -> openai.APIStatusError:
    """Return what the client raises, the same for a whole answer and for a stream."""
    create: Any = gateway.openai(key).chat.completions.create
    caught = []
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as failure:
            await create(**GOOD | fields, stream=stream)
        caught.append(failure.value)
    whole, streamed = caught
    assert (whole.code, whole.param, type(whole)) == (streamed.code, streamed.param, type(streamed))
    assert whole.request_id is not None
    assert whole.type is not None
    assert isinstance(whole.body, dict)
    assert set(whole.body) == {"message", "type", "param", "code"}
    return whole


async def test_each_failure_is_the_exception_that_the_client_knows(gateway: Gateway) -> None:
    weak = gateway.secret("reader", Scope.KNOWLEDGE)
    engine = gateway.engine
    expected: list[tuple[openai.APIStatusError, type[Exception], str, str | None]] = [
        (await _failure(gateway, temperature=9), openai.BadRequestError, "invalid_value", "temperature"),
        (await _failure(gateway, key="rep-wrong"), openai.AuthenticationError, "invalid_api_key", None),
        (await _failure(gateway, key=weak), openai.PermissionDeniedError, "permission_denied", None),
        (await _failure(gateway, model="nobody"), openai.NotFoundError, "model_not_found", "model"),
    ]
    engine.will(TOO_LONG, TOO_LONG)
    expected.append((await _failure(gateway), openai.BadRequestError, "context_length_exceeded", "messages"))
    engine.will(*[Reply(status=429, message="busy")] * 2)
    busy = await _failure(gateway)
    expected.append((busy, openai.RateLimitError, "rate_limit_exceeded", None))
    engine.will(*[Reply(status=500, message="secret /root/model")] * 2)
    broken = await _failure(gateway)
    expected.append((broken, openai.InternalServerError, "upstream_failed", None))
    gateway.readiness.append(Readiness(False, "vLLM is starting.", 7))
    away = await _failure(gateway)
    expected.append((away, openai.InternalServerError, "engine_unavailable", None))
    assert [(type(e), e.code, e.param) for e, *_ in expected] == [(kind, c, p) for _, kind, c, p in expected]
    assert "secret" not in broken.message
    assert (busy.response.headers["retry-after"], away.response.headers["retry-after"]) == ("5", "7")
    assert [error.status_code for error, *_ in expected] == [400, 401, 403, 404, 400, 429, 502, 503]


async def test_the_client_tries_again_where_that_helps_and_not_where_it_cannot(gateway: Gateway) -> None:
    """The SDK repeats 429 and 5xx by itself; a 409 it would repeat too, were it not told."""
    gateway.engine.will(Reply(status=500, message="x"), "Here I am.")
    client: Any = gateway.openai().with_options(max_retries=1)
    answer = await client.chat.completions.create(**GOOD)
    assert answer.choices[0].message.content == "Here I am."
    async with gateway.admin() as admin:
        await admin.post("/api/keys", json={"name": "twice"})
        again = await admin.post("/api/keys", json={"name": "twice"})
    assert (again.status_code, again.headers["x-should-retry"]) == (409, "false")


async def test_every_response_of_any_kind_has_a_request_id_of_its_own(start: Start) -> None:
    async with start(max_body_bytes=2000) as gateway, gateway.http() as http:
        answers: list[httpx.Response] = [
            await http.post(CHAT, json=GOOD),
            await http.post(CHAT, json=GOOD | {"stream": True}),
            await http.post(CHAT, json={}),
            await http.post(CHAT, content=b" " * 3000, headers={"content-type": "application/json"}),
            await http.get("/v1/nothing"),
            await http.delete(CHAT),
            await http.get("/api/personas"),
            await http.get("/v1/models", headers={"host": "evil.example"}),
            await http.get("/v1/models"),
            await http.get("/livez"),
        ]
    assert [one.status_code for one in answers] == [200, 200, 400, 413, 404, 405, 401, 403, 200, 200]
    ids = [one.headers["x-request-id"] for one in answers]
    assert all(one.startswith("req-") for one in ids)
    assert len(set(ids)) == len(ids)
    refused = [one.json() for one in answers if one.status_code >= 400]
    assert all(
        set(one) == {"error"} and set(one["error"]) == {"message", "type", "param", "code"} for one in refused
    )


async def test_one_base_url_serves_every_persona_by_its_model_name(clerk: Gateway) -> None:
    client: Any = clerk.openai()
    listed = await client.models.list()
    assert listed.object == "list"
    clerk.engine.will("A.", "B.", "none", "C.")
    for model, text in (("plain", "A."), ("librarian", "B."), ("clerk", "C.")):
        answer = await client.chat.completions.create(**GOOD | {"model": model})
        assert (answer.model, answer.choices[0].message.content) == (model, text)
        assert isinstance(answer.created, int)
    assert {"plain", "librarian", "clerk"} <= {model.id for model in listed.data}
    assert all((one.object, one.owned_by) == ("model", "repertory") for one in listed.data)


async def test_the_model_list_tells_nothing_of_the_servers_paths_or_base(gateway: Gateway) -> None:
    async with gateway.http() as http:
        told = (await http.get("/v1/models")).json()
    assert {key for model in told["data"] for key in model} == {"id", "object", "created", "owned_by"}
    assert "/" not in "".join(model["id"] for model in told["data"])


async def test_usage_is_the_sum_of_all_calls_in_openais_words_streamed_or_not(clerk: Gateway) -> None:
    clerk.engine.will(*["look_up", '{"who": "Ada"}', "Yes."] * 2)
    whole = (await clerk.ask("clerk", "Is Ada there?")).usage
    sent = [sum(len(m["content"].split()) for m in one["messages"]) for one in clerk.engine.requests]
    streamed = (await clerk.stream("clerk", "Is Ada there?", stream_options={"include_usage": True}))[-1].usage
    assert whole is not None
    assert streamed is not None
    assert whole.prompt_tokens == sum(sent) > max(sent)
    assert whole.total_tokens == whole.prompt_tokens + whole.completion_tokens
    assert streamed.model_dump() == whole.model_dump()
    assert set(whole.model_dump(exclude_unset=True)) == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
    }
