"""OpenAI's own Python client: whole and streamed, both ways of waiting, its helpers, its errors."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

HI: list[Any] = [{"role": "user", "content": "Hi there"}]
HOURS: list[Any] = [{"role": "user", "content": "When does the library open on weekdays?"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
ASKED: list[Any] = [{"role": "user", "content": "How is the weather in 'Oslo'?"}]


class Book(BaseModel):
    title: str
    pages: int


BOOK: list[Any] = [{"role": "user", "content": "The book is called 'Dune' and has 412 pages."}]


@pytest.fixture(scope="session")
def client(url: str, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
async def later(url: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as made:
        yield made


def test_the_models_are_the_personas(client: openai.OpenAI) -> None:
    assert {"plain", "librarian", "guided", "native", "tuned"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("plain").owned_by == "repertory"


def test_a_whole_answer_and_a_stream_say_the_same_and_count_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="plain", messages=HI)
    chunks = list(
        client.chat.completions.create(
            model="plain", messages=HI, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert whole.choices[0].message.content == text == "You said: Hi there"
    assert whole.usage == chunks[-1].usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_the_streaming_helper_puts_the_answer_together(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="plain", messages=HI) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)
    assert final.choices[0].message.content == "You said: Hi there"


@pytest.mark.parametrize("persona", ["plain", "librarian", "guided", "native"])
def test_the_streaming_helper_parses_into_a_class(client: openai.OpenAI, persona: str) -> None:
    with client.chat.completions.stream(model=persona, messages=BOOK, response_format=Book) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.parsed == Book(title="Dune", pages=412)


@pytest.mark.parametrize("persona", ["plain", "librarian", "guided", "native"])
def test_an_answer_is_parsed_into_a_class(client: openai.OpenAI, persona: str) -> None:
    for parse in (client.chat.completions.parse, client.beta.chat.completions.parse):
        answer = parse(model=persona, messages=BOOK, response_format=Book)
        assert answer.choices[0].message.parsed == Book(title="Dune", pages=412)


@pytest.mark.parametrize("persona", ["plain", "librarian", "guided", "native"])
def test_a_tool_of_the_clients_is_called_answered_and_told(client: openai.OpenAI, persona: str) -> None:
    first = client.chat.completions.create(model=persona, messages=ASKED, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"place": "Oslo"}
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    forced = client.chat.completions.create(model=persona, messages=HI, tools=[WEATHER], tool_choice=named)
    assert forced.choices[0].message.tool_calls
    assert forced.choices[0].finish_reason == "stop"  # as OpenAI does for a named tool
    told: list[Any] = [
        *ASKED,
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "4 degrees"},
    ]
    second = client.chat.completions.create(model=persona, messages=told, tools=[WEATHER])
    assert second.choices[0].message.content == "The result is 4 degrees"


@pytest.mark.parametrize("persona", ["plain", "librarian", "guided", "native"])
def test_a_streamed_call_is_put_together_by_the_helper(client: openai.OpenAI, persona: str) -> None:
    with client.chat.completions.stream(model=persona, messages=ASKED, tools=[WEATHER]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [(event.name, json.loads(event.arguments)) for event in done] == [("get_weather", {"place": "Oslo"})]
    assert final.choices[0].finish_reason == "tool_calls"


def test_an_action_of_the_server_is_made_and_told_within_one_answer(client: openai.OpenAI) -> None:
    for persona in ("guided", "native"):
        answer = client.chat.completions.create(
            model=persona, messages=[{"role": "user", "content": "Look the contact 'Ada' up."}]
        )
        assert "who=Ada" in (answer.choices[0].message.content or ""), persona


def test_citations_are_annotations_that_lead_to_the_passage(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="librarian", messages=HOURS).choices[0].message
    with client.chat.completions.stream(model="librarian", messages=HOURS) as stream:
        deltas = [event.chunk.choices[0].delta for event in stream if event.type == "chunk"]
    (cited,) = [annotation.url_citation for annotation in whole.annotations or []]
    assert "nine" in (whole.content or "")[: cited.start_index]
    assert cited.url.startswith(f"{client.base_url}files/")
    (streamed,) = [delta.model_extra["annotations"] for delta in deltas if delta.model_extra]
    assert streamed[0]["url_citation"]["url"] == cited.url


def test_several_answers_at_once(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="plain", messages=HI, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_what_stops_an_answer_is_obeyed(client: openai.OpenAI) -> None:
    stopped = client.chat.completions.create(model="plain", messages=HI, stop=["there"])
    cut = client.chat.completions.create(model="plain", messages=HI, max_completion_tokens=2)
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("You said: Hi ", "stop")
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("You said", "length")


def test_embeddings_are_the_same_in_both_encodings(client: openai.OpenAI) -> None:
    model = "all-MiniLM-L6-v2"
    packed = client.embeddings.create(model=model, input=["a", "b"])
    floats = client.embeddings.create(model=model, input=["a", "b"], encoding_format="float")
    assert [len(one.embedding) for one in packed.data] == [384, 384]
    assert packed.data[1].embedding == pytest.approx(floats.data[1].embedding)


def test_refusals_arrive_as_the_clients_own_errors(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=HI)
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="plain", messages=HI, extra_body={"prompt_logprobs": 1})
    stranger = openai.OpenAI(base_url=url, api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert missing.value.code == "model_not_found"
    assert (wrong.value.code, wrong.value.param) == ("unknown_parameter", "prompt_logprobs")
    assert refused.value.code == "invalid_api_key"
    assert missing.value.request_id


async def test_the_asynchronous_client_does_the_same(later: openai.AsyncOpenAI) -> None:
    whole = await later.chat.completions.create(model="plain", messages=HI)
    stream = await later.chat.completions.create(model="plain", messages=HI, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == text == "You said: Hi there"


async def test_the_asynchronous_helper_streams_and_parses(later: openai.AsyncOpenAI) -> None:
    async with later.chat.completions.stream(model="plain", messages=BOOK, response_format=Book) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    answer = await later.beta.chat.completions.parse(model="plain", messages=BOOK, response_format=Book)
    assert "content.delta" in kinds
    assert final.choices[0].message.parsed == answer.choices[0].message.parsed == Book(title="Dune", pages=412)


def test_the_documented_example_runs(documented: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(documented("openai"), "clients.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.count("You said: When is the status report due?") == 2
