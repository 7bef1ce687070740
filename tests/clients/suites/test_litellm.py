"""litellm's Python functions, which many agents use underneath."""

import json
from collections.abc import Callable
from typing import Any

import litellm
import pytest
from pydantic import BaseModel

HI: list[Any] = [{"role": "user", "content": "Hi there"}]
BOOK: list[Any] = [{"role": "user", "content": "The book is called 'Dune' and has 412 pages."}]
ASKED: list[Any] = [{"role": "user", "content": "How is the weather in 'Oslo'?"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


class Book(BaseModel):
    title: str
    pages: int


@pytest.fixture
def to(url: str, key: str) -> dict[str, Any]:
    """Return what leads litellm to the server: `openai/` before the persona's name, and the address."""
    return {"model": "openai/plain", "api_base": url, "api_key": key, "num_retries": 0}


def test_a_whole_answer_has_text_and_usage(to: dict[str, Any]) -> None:
    answer = litellm.completion(messages=HI, **to)
    assert answer.choices[0].message.content == "You said: Hi there"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_stream_says_the_same_and_ends_with_the_servers_usage(to: dict[str, Any]) -> None:
    whole = litellm.completion(messages=HI, **to)
    chunks = list(litellm.completion(messages=HI, stream=True, stream_options={"include_usage": True}, **to))
    built = litellm.stream_chunk_builder(chunks)
    assert built.choices[0].message.content == "You said: Hi there"
    assert built.usage.total_tokens == whole.usage.total_tokens


async def test_the_asynchronous_functions_do_the_same(to: dict[str, Any]) -> None:
    whole = await litellm.acompletion(messages=HI, **to)
    stream = await litellm.acompletion(messages=HI, stream=True, **to)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == text == "You said: Hi there"


def test_a_tool_is_called_whole_and_streamed(to: dict[str, Any]) -> None:
    whole = litellm.completion(messages=ASKED, tools=[WEATHER], **to)
    built = litellm.stream_chunk_builder(
        list(litellm.completion(messages=ASKED, tools=[WEATHER], stream=True, **to))
    )
    for answer in (whole, built):
        (call,) = answer.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"place": "Oslo"})
        assert answer.choices[0].finish_reason == "tool_calls"


def test_an_answer_fits_a_class(to: dict[str, Any]) -> None:
    answer = litellm.completion(messages=BOOK, response_format=Book, **to)
    assert Book.model_validate_json(answer.choices[0].message.content) == Book(title="Dune", pages=412)


def test_what_is_repertorys_own_can_be_asked_for(to: dict[str, Any]) -> None:
    asked = {"repertory": {"include": True}}
    answer = litellm.completion(messages=HI, extra_body=asked, **to)
    assert answer.repertory["persona"]["id"] == "plain"


def test_embeddings(to: dict[str, Any]) -> None:
    answer = litellm.embedding(input=["a", "b"], **to | {"model": "openai/all-MiniLM-L6-v2"})
    assert [len(one["embedding"]) for one in answer.data] == [384, 384]


def test_refusals_arrive_as_the_clients_own_errors(to: dict[str, Any]) -> None:
    with pytest.raises(litellm.NotFoundError, match="nobody"):
        litellm.completion(messages=HI, **to | {"model": "openai/nobody"})
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(messages=HI, **to | {"api_key": "wrong"})
    with pytest.raises(litellm.BadRequestError, match="prompt_logprobs"):
        litellm.completion(messages=HI, extra_body={"prompt_logprobs": 1}, **to)


def test_the_documented_example_runs(documented: Callable[[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(documented("litellm"), "clients.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.count("You said: When is the status report due?") == 1
