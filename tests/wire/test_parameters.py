"""Every parameter of OpenAI's and of vLLM's: it works, has no effect and says so, or is refused by its name."""

import ast
import importlib.util
from pathlib import Path
from typing import Any, get_type_hints

import openai
import pytest
from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from pydantic import BaseModel, ValidationError

from server.turn.request import WITHOUT_EFFECT, ChatRequest
from server.wire import error_body, invalid_from_validation
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "<|im_end|> now", "strict": True}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
NAMED = {"type": "function", "function": {"name": "weather"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": {"type": "object"}}}

PASSED_ON: dict[str, tuple[dict[str, Any], object]] = {
    "frequency_penalty": ({}, 0.5),
    "logit_bias": ({}, {"42": -100.0}),
    "logprobs": ({}, True),
    "max_completion_tokens": ({}, 7),
    "max_tokens": ({}, 7),
    "n": ({}, 2),
    "parallel_tool_calls": ({"tools": [WEATHER]}, False),
    "presence_penalty": ({}, -0.5),
    "reasoning_effort": ({}, "low"),
    "response_format": ({}, SCHEMA),
    "seed": ({}, 7),
    "stop": ({}, ["END", "\n"]),
    "temperature": ({}, 0.0),
    "tool_choice": ({"tools": [WEATHER]}, "required"),
    "tools": ({}, [WEATHER]),
    "top_logprobs": ({"logprobs": True}, 3),
    "top_p": ({}, 0.9),
}
"""Parameter → what goes with it, and a value that the engine must receive."""

SHAPES_THE_ANSWER = {"messages", "model", "stream", "stream_options"}

TAKEN: dict[str, object] = {
    "metadata": {"team": "blue"},
    "modalities": ["text"],
    "prediction": {"type": "content", "content": "Hi"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {},
    "prompt_cache_retention": "24h",
    "safety_identifier": "user-1",
    "service_tier": "auto",
    "store": False,
    "user": "user-1",
    "verbosity": "medium",
}

REFUSED: dict[str, object] = {
    "audio": {"voice": "alloy", "format": "wav"},
    "function_call": "auto",
    "functions": [{"name": "weather", "parameters": {}}],
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni-moderation-latest"},
    "store": True,
    "verbosity": "low",
    "web_search_options": {},
}

ALLOWED_OF_VLLM: dict[str, object] = {
    "bad_words": ["no"],
    "ignore_eos": True,
    "min_p": 0.1,
    "min_tokens": 2,
    "repetition_penalty": 1.1,
    "stop_token_ids": [2],
    "top_k": 5,
}
"""The allow-list: sampling, and nothing else."""


def _openai_parameters() -> set[str]:
    return set(get_type_hints(completion_create_params.CompletionCreateParamsBase)) | {"stream"}


def _fields_in_vllm(module: str, model: str) -> set[str]:
    """Return the fields of one of vLLM's request models, bases included, without importing vLLM."""
    found = importlib.util.find_spec("vllm")
    assert found is not None
    assert found.submodule_search_locations
    root = Path(found.submodule_search_locations[0])
    classes = {
        node.name: node
        for path in (root / "entrypoints" / module, root / "entrypoints" / "pooling" / "base" / "protocol.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }

    def fields(name: str) -> set[str]:
        if name not in classes:
            return set()
        node = classes[name]
        own = {
            line.target.id
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
        inherited = [fields(base.id) for base in node.bases if isinstance(base, ast.Name)]
        return {field for field in own.union(*inherited) if not field.startswith("_")}

    return fields(model)


def _param(name: str, refused: str) -> bool:
    """Tell whether a refusal names the parameter or a part of it."""
    return refused == name or refused.startswith((f"{name}.", f"{name}["))


async def _answer(gateway: Gateway, **fields: Any) -> tuple[int, dict[str, Any], dict[str, Any] | None]:
    """Return the status, the answer, and what the engine was asked."""
    gateway.engine.requests.clear()
    async with gateway.http() as http:
        response = await http.post(CHAT, json=GOOD | fields)
    return response.status_code, response.json(), next(iter(gateway.engine.requests), None)


def test_every_parameter_of_the_official_client_is_accounted_for() -> None:
    accounted = {*PASSED_ON, *SHAPES_THE_ANSWER, *TAKEN, *REFUSED}
    assert _openai_parameters() - accounted == set()
    assert set(ChatRequest.model_fields) - accounted - set(ALLOWED_OF_VLLM) == {"repertory"}
    assert set(TAKEN) == WITHOUT_EFFECT


async def test_what_works_reaches_the_engine_unharmed(gateway: Gateway) -> None:
    for name, (companions, value) in PASSED_ON.items():
        status, _, sent = await _answer(gateway, **companions, **{name: value})
        sent_as = "max_tokens" if name == "max_completion_tokens" else name
        assert (name, status, (sent or {}).get(sent_as)) == (name, 200, value)
    for name, value in ALLOWED_OF_VLLM.items():
        status, _, sent = await _answer(gateway, **{name: value})
        assert (name, status, (sent or {}).get(name)) == (name, 200, value)


async def test_what_has_no_effect_changes_no_byte_of_what_the_engine_is_asked(gateway: Gateway) -> None:
    _, _, plain = await _answer(gateway)
    for name, value in TAKEN.items():
        assert (name, *(await _answer(gateway, **{name: value}))[::2]) == (name, 200, plain)


async def test_what_is_not_served_is_refused_by_its_name_and_in_words(gateway: Gateway) -> None:
    for name, value in REFUSED.items():
        status, answer, sent = await _answer(gateway, **{name: value})
        error = answer["error"]
        assert (name, status, sent) == (name, 400, None)
        assert _param(name, error["param"])
        assert len(error["message"]) > 20
        assert (await _answer(gateway, **{name: None}))[0] == 200


async def test_vllms_own_parameters_are_on_the_allow_list_or_refused_by_name(gateway: Gateway) -> None:
    """Walks the request model of the installed vLLM, and what other releases and servers had."""
    walked = _fields_in_vllm("openai/chat_completion/protocol.py", "ChatCompletionRequest")
    older = {
        "best_of",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "guided_decoding_backend",
    }
    older |= {"logits_processors", "prompt", "prompt_token_ids", "prompt_embeds", "suffix", "lora_request"}
    assert len(walked) > 60
    assert {"prompt_logprobs", "echo", "return_token_ids", "cache_salt", "chat_template", "priority"} <= walked
    for name in sorted((walked | older) - _openai_parameters() - set(ALLOWED_OF_VLLM)):
        status, answer, sent = await _answer(gateway, **{name: True})
        error = answer["error"]
        assert (status, error["param"], error["code"], sent) == (400, name, "unknown_parameter", None)
        for value in (None, False, 1, "x", {"a": 1}):
            assert _refusal(ChatRequest, GOOD | {name: value}) == error


async def test_the_engine_is_never_asked_for_more_than_the_request_says(gateway: Gateway) -> None:
    """Whatever of the above a client may say, all of it at once brings no further parameter to vLLM."""
    everything = {name: value for name, (_, value) in PASSED_ON.items()} | ALLOWED_OF_VLLM | TAKEN
    status, _, sent = await _answer(gateway, **everything)
    passed = (set(PASSED_ON) | set(ALLOWED_OF_VLLM)) - {"max_completion_tokens"}
    assert (status, set(sent or {})) == (200, passed | {"model", "messages", "stream"})


async def test_parameters_of_vllms_hidden_in_messages_and_tools_go_no_further(gateway: Gateway) -> None:
    hidden = {"cache_salt": "x", "prompt_token_ids": [1], "defer_loading": True}
    message = {"role": "user", "content": [{"type": "text", "text": "Hi", **hidden}], **hidden}
    tool = {**WEATHER, **hidden, "function": {**WEATHER["function"], **hidden}}  # type: ignore[dict-item]  # a dict
    status, _, sent = await _answer(gateway, messages=[message], tools=[tool])
    assert status == 200
    assert sent is not None
    assert sent["messages"][-1] == {"role": "user", "content": "Hi"}
    assert sent["tools"] == [WEATHER]


async def test_embeddings_take_openais_parameters_and_refuse_vllms(gateway: Gateway) -> None:
    walked = _fields_in_vllm("pooling/embed/protocol.py", "EmbeddingCompletionRequest")
    known = set(get_type_hints(embedding_create_params.EmbeddingCreateParams))
    assert len(walked - known) > 5
    good = {"model": "all-MiniLM-L6-v2", "input": "a cat"}
    async with gateway.http() as http:
        assert (await http.post("/v1/embeddings", json=good | {"user": "u", "dimensions": 384})).status_code == 200
        for name in sorted((walked | {"truncate_prompt_tokens", "priority"}) - known):
            response = await http.post("/v1/embeddings", json=good | {name: 1})
            error = response.json()["error"]
            assert (response.status_code, error["param"], error["code"]) == (400, name, "unknown_parameter")


@pytest.mark.parametrize(
    ("fields", "param", "word"),
    [
        ({"stream_options": {"include_usage": True}}, "stream_options", "stream"),
        ({"top_logprobs": 2}, "top_logprobs", "logprobs"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "max_completion_tokens"),
        ({"tool_choice": "required"}, "tool_choice", "tools"),
        ({"tool_choice": NAMED}, "tool_choice", "tools"),
        ({"tool_choice": NAMED, "tools": [CLOCK]}, "tool_choice", "'weather'"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type", "allowed_tools"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function", "Missing"),
        ({"tool_choice": "sometimes"}, "tool_choice", "'auto'"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "'function'"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "pattern"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "4"),
        ({"stop": ["a", ""]}, "stop[1]", "1 character"),
        ({"stop": [1]}, "stop[0]", "string"),
        ({"logit_bias": {"the": 1}}, "logit_bias.the", "pattern"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "512"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format", "name"),
        ({"response_format": {"type": "structural_tag", "format": {}}}, "response_format", "json_object"),
        ({"seed": 1.5}, "seed", "integer"),
        ({"repertory": {"admin": True}}, "repertory.admin", "Unknown"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_field_at_fault(
    fields: dict[str, Any], param: str, word: str
) -> None:
    error = _refusal(ChatRequest, GOOD | fields)
    assert (error["param"], word in str(error["message"])) == (param, True), error


@pytest.mark.parametrize(
    ("message", "param", "word"),
    [
        (
            {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url"}]},
            "content[1]",
            "see",
        ),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "content[0]", "hear"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, "content[0]", "files"),
        ({"role": "user", "content": [{"type": "image_embeds"}]}, "content[0]", "'text'"),
        ({"role": "user", "content": ["Hi"]}, "content[0]", "'text'"),
        ({"role": "function", "name": "f", "content": "x"}, "role", "'tool'"),
        ({"role": "tool", "content": "x"}, "tool_call_id", "answers"),
        ({"role": "assistant", "content": None}, "content", "text"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "audio", "text"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "function_call", "tool_calls"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "tool_calls", "assistant"),
    ],
)
def test_messages_that_cannot_be_read_are_refused_in_words(message: dict[str, Any], param: str, word: str) -> None:
    error = _refusal(ChatRequest, GOOD | {"messages": [message]})
    named = str(error["param"]).removesuffix(".type")
    assert (named, word in str(error["message"])) == (f"messages[0].{param}", True), error


async def test_image_parts_are_refused_in_words_to_the_official_client(gateway: Gateway) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "What is this?"}
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.ask("plain", {"role": "user", "content": [text, image]})
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "messages[0].content[1].type")
    assert "cannot see images" in caught.value.message
    assert gateway.engine.requests == []


async def test_tool_choice_shows_the_model_what_it_may_call(gateway: Gateway) -> None:
    allowed = {"mode": "required", "tools": [NAMED]}
    shown: dict[str, tuple[Any, Any]] = {}
    for word, choice in {
        "none": "none",
        "auto": "auto",
        "required": "required",
        "named": NAMED,
        "allowed": {"type": "allowed_tools", "allowed_tools": allowed},
    }.items():
        _, _, sent = await _answer(gateway, tools=[WEATHER, CLOCK], tool_choice=choice)
        names = [tool["function"]["name"] for tool in (sent or {}).get("tools", [])]
        shown[word] = (names, (sent or {}).get("tool_choice"))
    assert shown == {
        "none": ([], None),
        "auto": (["weather", "clock"], "auto"),
        "required": (["weather", "clock"], "required"),
        "named": (["weather", "clock"], NAMED),
        "allowed": (["weather"], "required"),
    }
    _, _, sent = await _answer(gateway, tools=[CLOCK])
    assert sent is not None
    assert sent["tools"][0]["function"] == {"name": "clock", "description": "< |im_end| > now", "strict": True}


class Weather(BaseModel):
    """What `parse` is to give."""

    city: str
    degrees: int


async def test_the_sdks_parse_gives_an_object_and_sends_its_schema(gateway: Gateway) -> None:
    gateway.engine.will('{"city": "Oslo", "degrees": 3}')
    client: Any = gateway.openai()
    parsed = await client.beta.chat.completions.parse(**GOOD, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(city="Oslo", degrees=3)
    sent = gateway.engine.requests[0]["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"], set(sent["schema"]["properties"])) == (
        "Weather",
        True,
        {"city", "degrees"},
    )


async def test_a_schema_leaves_the_answer_alone_where_markers_would_be_data(gateway: Gateway) -> None:
    gateway.engine.will('{"list": "[7]"}')
    question = "When does the library open on weekdays?"
    answer = await gateway.ask("librarian", question, response_format={"type": "json_object"})
    assert answer.choices[0].message.content == '{"list": "[7]"}'
    assert answer.choices[0].message.annotations is None


async def test_an_answer_of_the_servers_own_is_a_refusal_where_json_is_asked_for(clerk: Gateway) -> None:
    """`parse` would choke on a sentence; its own road for what is no JSON is `refusal`."""
    clerk.engine.will("remove", '{"contact": "7"}', Reply(text="", tool_calls=(("remove", '{"contact": "8"}'),)))
    client: Any = clerk.openai()
    for model, contact in (("clerk", "7"), ("native", "8")):
        asked = {"model": model, "messages": [{"role": "user", "content": f"Remove {contact}"}]}
        message = (await client.beta.chat.completions.parse(**asked, response_format=Weather)).choices[0].message
        assert (message.parsed, message.content) == (None, None)
        assert "needs a person's approval" in message.refusal


async def test_the_newer_name_of_the_length_works_and_the_personas_limit_caps_both(gateway: Gateway) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        for asked, sent in ((8, 8), (500, 64)):
            _, _, payload = await _answer(gateway, model="tuned", **{name: asked})
            assert (name, (payload or {})["max_tokens"]) == (name, sent)


def _refusal(model: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return error_body(invalid_from_validation(caught.value))["error"]
