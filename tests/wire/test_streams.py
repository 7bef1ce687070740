"""Streams in the recorded order, whatever is asked; and the order's own test."""

import json
from typing import Any

import httpx
import httpx2
import openai
import pytest

from tests.fakes.crm import Crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start, text_of
from tests.server.serving import serving
from tests.wire import grammar

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "plain"}
ROLE = {"role": "assistant", "content": "", "refusal": None}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
TWO_CALLS = Reply(text="", tool_calls=(("weather", '{"city": "Oslo"}'), ("weather", '{"city": "Rome"}')))
LOOK = Reply(text="One moment.", tool_calls=(("look_up", '{"who": "Ada"}'),))
REMOVE = Reply(text="", tool_calls=(("remove", '{"contact": "7"}'),))
JSON = {"type": "json_object"}
QUESTION = "When does the library open on weekdays?"


def _chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return "data: " + json.dumps(HEAD | {"choices": [] if delta is None else [choice]} | more) + "\n\n"


GOOD = [_chunk(ROLE), _chunk({"content": "Hi"}), _chunk({}, "stop"), "data: [DONE]\n\n"]
SPENT = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _with(position: int, event: str) -> str:
    return "".join([*GOOD[:position], event, *GOOD[position:]])


def _instead(position: int, event: str) -> str:
    return "".join([*GOOD[:position], event, *GOOD[position + 1 :]])


@pytest.mark.parametrize(
    "broken",
    [
        _with(2, 'data: {"sources": []}\n\n'),
        _with(2, 'event: tool\ndata: {"name": "x"}\n\n'),
        _with(1, "event: ping\n\n"),
        _with(2, 'data: {"error": {"message": "x"}}\n\n'),
        "".join(GOOD[:-1]),
        _instead(2, _chunk({}, "no_content")),
        _instead(2, _chunk({"content": "!"}, "stop")),
        _instead(0, _chunk({"role": "assistant"})),
        _instead(1, _chunk({"content": "Hi", "token_ids": [1]})),
        _instead(1, _chunk({"content": "Hi"}, usage=SPENT)),
        _instead(1, _chunk({"content": "Hi"}).replace("chat.completion.chunk", "chat.completion")),
        _instead(1, _chunk({"content": "Hi"}).replace("chatcmpl-1", "chatcmpl-2")),
        _instead(1, _chunk({"content": "Hi"}, prompt_text="You are")),
        _with(2, _chunk(None)),
        _instead(1, _chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]})),
    ],
)
async def test_the_grammar_notices_what_breaks_clients(broken: str) -> None:
    grammar.check("".join(GOOD))
    with pytest.raises(grammar.Ungrammatical):
        grammar.check(broken)


async def _streamed(gateway: Gateway, model: str, *replies: Reply | str, **fields: Any) -> list[dict[str, Any]]:
    gateway.engine.will(*replies)
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
    async with gateway.http() as http:
        response = await http.post(CHAT, json=body | fields)
    assert response.headers["content-type"].startswith("text/event-stream")
    return grammar.check(response.text, include_usage=bool(fields.get("stream_options")))


def _text(frames: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for frame in frames for choice in frame["choices"])


def _reason(frames: list[dict[str, Any]]) -> str:
    return str(next(c["finish_reason"] for f in reversed(frames) for c in f["choices"]))


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
async def test_every_kind_of_stream_keeps_the_recorded_order(clerk: Gateway, options: dict[str, Any]) -> None:
    """Plain, empty, cut, several, cited, tools, guided, native, waiting, declined, degraded, JSON."""
    assert _text(await _streamed(clerk, "plain", "One two three.", **options)) == "One two three."
    assert _text(await _streamed(clerk, "plain", "", **options)) == ""
    assert _reason(await _streamed(clerk, "plain", Reply("Cut.", finish="length"), **options)) == "length"
    assert _reason(await _streamed(clerk, "plain", Reply("Odd.", finish="eos_found"), **options)) == "stop"
    several = await _streamed(clerk, "plain", "One two.", n=3, logprobs=True, top_logprobs=1, **options)
    assert {c["index"] for f in several for c in f["choices"]} == {0, 1, 2}
    cited = await _streamed(clerk, "librarian", "It opens at nine [1], not at ten [7].", **options)
    assert _text(cited) == "It opens at nine [1], not at ten."
    tools = await _streamed(clerk, "plain", TWO_CALLS, tools=[WEATHER], **options)
    assert _reason(tools) == "tool_calls"
    assert _text(await _streamed(clerk, "clerk", "look_up", '{"who": "Ada"}', "Yes.", **options)) == "Yes."
    assert "Yes." in _text(await _streamed(clerk, "native", LOOK, "Yes.", **options))
    assert "needs a person's approval" in _text(await _streamed(clerk, "native", REMOVE, **options))
    waiting = await _streamed(clerk, "clerk", "remove", '{"contact": "7"}', response_format=JSON, **options)
    assert (_text(waiting), _reason(waiting)) == ("", "stop")
    clerk.embedder.broken = True
    assert _text(await _streamed(clerk, "librarian", "Hello.", **options)).startswith("Note: ")


async def test_what_is_ours_rides_in_valid_frames_and_only_when_asked_for(clerk: Gateway) -> None:
    include = {"repertory": {"include": True}}
    bare = await _streamed(clerk, "librarian", "It opens at nine [1].")
    asked = await _streamed(clerk, "librarian", "It opens at nine [1].", **include)
    assert [set(f) - {"repertory"} for f in asked] == [set(f) for f in bare]
    assert ["repertory" in f for f in asked] == [False] * (len(asked) - 1) + [True]
    assert {"retrieval", "sources"} <= set(asked[-1]["repertory"])


async def test_the_sdks_stream_helper_puts_tool_calls_together(clerk: Gateway) -> None:
    clerk.engine.will(TWO_CALLS)
    client: Any = clerk.openai()
    asked = {"model": "plain", "messages": [{"role": "user", "content": "Rain?"}], "tools": [WEATHER]}
    async with client.chat.completions.stream(**asked) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city": "Oslo"}', '{"city": "Rome"}']
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    assert final.choices[0].finish_reason == "tool_calls"


async def test_logprobs_belong_to_what_is_sent_and_never_to_the_servers_own_steps(
    clerk: Gateway, crm: Crm
) -> None:
    """The decision, the arguments and the held-back calls of the server have log-probabilities of their own."""
    asked: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}

    def tokens(frames: list[dict[str, Any]]) -> list[str]:
        told = [c["logprobs"] for f in frames for c in f["choices"] if c["logprobs"]]
        return [entry["token"] for one in told for entry in one["content"]]

    guided = await _streamed(clerk, "clerk", "look_up", '{"who": "Ada"}', "Yes she is.", **asked)
    steps, answer = clerk.engine.requests[:2], clerk.engine.requests[2]
    assert "".join(tokens(guided)) == "Yes she is."
    assert [("logprobs" in one, "top_logprobs" in one) for one in steps] == [(False, False)] * 2
    assert (answer["logprobs"], answer["top_logprobs"]) == (True, 2)
    assert "look_up" not in "".join(tokens(await _streamed(clerk, "native", LOOK, "Yes.", **asked)))
    clerk.engine.will(LOOK, "Yes.", "remove", '{"contact": "8"}')
    whole = await clerk.ask("native", "Is Ada there?", **asked)
    waiting = await clerk.ask("clerk", "Remove 8", **asked)
    assert whole.choices[0].logprobs is not None
    assert "".join(entry.token for entry in whole.choices[0].logprobs.content or []) == "Yes."
    assert waiting.choices[0].logprobs is None
    assert len(crm.requests) == 3


def test_the_official_client_reads_through_the_comments_that_bridge_silence(start: Start) -> None:
    with serving(start(keep_alive_seconds=0.1)) as gateway:
        gateway.engine.will(*[Reply("one two", pause=0.5)] * 2)
        asked: dict[str, Any] = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        bare = httpx.post(f"{gateway.base}{CHAT}", json=asked, timeout=30).text
        with openai.OpenAI(
            api_key="none", base_url=f"{gateway.base}/v1", max_retries=0, _strict_response_validation=True
        ) as client:
            chunks = list(client.chat.completions.create(**asked))
    assert bare.count("\n\n: ") >= 2
    assert text_of(chunks) == "one two"
    assert chunks[-1].choices[0].finish_reason == "stop"


CLOSED = "id: closed\nname: Closed\ninstructions: You advise.\nclosing: Ask legal.\n"
CLOSED += "knowledge: {paths: [knowledge/library]}\nretrieval: {floor: 0.2, when_nothing_found: decline}\n"


@pytest.mark.parametrize(
    ("said", "question", "ending"),
    [
        ("The library opens at nine [1].", QUESTION, "opens at nine [1].\n\nAsk legal."),
        ("It opens at nine. Ask legal.", QUESTION, "It opens at nine. Ask legal."),
        ("", "xyzzy", "so I cannot answer it.\n\nAsk legal."),
    ],
    ids=["added", "already there", "declined"],
)
async def test_every_answer_ends_as_its_persona_wants_streamed_or_not(
    start: Start, said: str, question: str, ending: str
) -> None:
    async with start({"closed": CLOSED}) as gateway:
        gateway.engine.will(*[said] * 2)
        whole = (await gateway.ask("closed", question)).choices[0].message
        chunks = await gateway.stream("closed", question)
        assert whole.content is not None
        assert whole.content.endswith(ending)
        assert text_of(chunks) == whole.content
        for annotation in whole.annotations or []:
            cited = annotation.url_citation
            assert "legal" not in whole.content[cited.start_index : cited.end_index]


async def test_what_is_no_answer_in_words_has_no_ending(start: Start) -> None:
    async with start({"closed": CLOSED}) as gateway:
        gateway.engine.will('{"open": 9}', *[TWO_CALLS] * 2)
        json_answer = await gateway.ask("closed", QUESTION, response_format=JSON)
        assert json_answer.choices[0].message.content == '{"open": 9}'
        called = (await gateway.ask("closed", QUESTION, tools=[WEATHER])).choices[0].message
        streamed = await gateway.stream("closed", QUESTION, tools=[WEATHER])
        assert not called.content
        assert text_of(streamed) == ""


async def test_strict_validation_takes_every_kind_of_whole_answer(clerk: Gateway) -> None:
    """The SDK checks each field of what it receives; nothing of vLLM's own may be left over."""
    clerk.engine.will("Hi.", Reply("Odd.", finish="eos_found"), TWO_CALLS, "It opens at nine [1].", "Hi.")
    assert (await clerk.ask("plain", "Hi")).created == 1_800_000_000
    assert (await clerk.ask("plain", "Hi")).choices[0].finish_reason == "stop"
    assert (await clerk.ask("plain", "Hi", tools=[WEATHER])).choices[0].finish_reason == "tool_calls"
    cited = (await clerk.ask("librarian", QUESTION)).choices[0].message
    assert cited.annotations is not None
    assert cited.annotations[0].url_citation.url.startswith("http")
    several = await clerk.ask("plain", "Hi", n=2, logprobs=True)
    assert [choice.index for choice in several.choices] == [0, 1]


async def test_the_strict_client_would_notice_a_foreign_reason() -> None:
    """So that the test above means something."""
    message = {"role": "assistant", "content": "Hi", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "no_content"}
    foreign = HEAD | {"object": "chat.completion", "choices": [choice], "usage": SPENT}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=foreign))
    client = openai.AsyncOpenAI(
        api_key="none",
        base_url="http://localhost/v1",
        http_client=httpx2.AsyncClient(transport=transport),
        _strict_response_validation=True,
    )
    with pytest.raises(openai.APIResponseValidationError):
        await client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "Hi"}])
