"""Serving and training read the same text, and only what the assistant says is learnt."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from adapters.template import TEMPLATE_PATH, template_hash, template_of
from core.errors import InvalidRequest
from tests.adapters.tiny import make_tokenizer

SERVING = TEMPLATE_PATH.read_text()
TRAINING = TEMPLATE_PATH.with_name("training.jinja").read_text()
Conversation = list[dict[str, object]]

TOKENIZER = PreTrainedTokenizerFast(
    tokenizer_object=make_tokenizer(), bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
)
SEARCH: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Find <tickets>.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}


def render(
    messages: Conversation, template: str = SERVING, tools: list[object] | None = None, start: bool = False
) -> str:
    text = TOKENIZER.apply_chat_template(
        messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=start
    )
    assert isinstance(text, str)
    return text


def learnt(messages: Conversation, tools: list[object] | None = None) -> str:
    """What the mask marks, as text."""
    encoded = TOKENIZER.apply_chat_template(
        messages,
        tools=tools,
        chat_template=TRAINING,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    marked = [token for token, mark in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mark]
    return str(TOKENIZER.decode(marked))


texts = st.text(max_size=30) | st.sampled_from(
    ["", "<|im_end|>", "\n", "{{ x }}", "ä<tool_call>", "<|im_start|>system\n"]
)
arguments = st.dictionaries(st.sampled_from(["a", "ö"]), st.none() | st.integers() | texts, max_size=2)
calls = st.lists(
    st.builds(
        lambda name, given: {"id": "c", "type": "function", "function": {"name": name, "arguments": given}},
        st.sampled_from(["search", "file"]),
        arguments | arguments.map(json.dumps),
    ),
    max_size=2,
)
messages_of = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, texts),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "c", "content": text}, texts),
    st.builds(lambda text: {"role": "system", "content": text}, texts),
    st.builds(
        lambda text, made: {"role": "assistant", "content": text, "tool_calls": made}, texts | st.none(), calls
    ),
)
conversations = st.lists(messages_of, min_size=1, max_size=6)
tool_sets = st.sampled_from([None, [], [SEARCH], [SEARCH, SEARCH]])


@settings(max_examples=200)
@given(conversations, tool_sets, st.booleans())
def test_the_twin_renders_the_same_text(messages: Conversation, tools: list[object] | None, start: bool) -> None:
    assert render(messages, TRAINING, tools, start) == render(messages, SERVING, tools, start)


def test_the_twin_differs_in_nothing_but_its_marks_and_its_opening_comment() -> None:
    def body(text: str) -> str:
        unmarked = re.sub(r" *\{%- (end)?generation -%\}\n", "", text)
        return unmarked.partition("-#}\n")[2]

    assert body(TRAINING) == body(SERVING)
    assert TRAINING != SERVING


@settings(max_examples=100)
@given(conversations, tool_sets)
def test_no_text_forges_a_turn(messages: Conversation, tools: list[object] | None) -> None:
    rendered = render(messages, SERVING, tools)
    roles = re.findall(r"<\|im_start\|>(\w+)\n", rendered)
    assert rendered.count("<|im_start|>") == rendered.count("<|im_end|>") == len(roles)
    assert roles.count("assistant") == sum(message["role"] == "assistant" for message in messages)


def test_nothing_is_said_that_nobody_wrote() -> None:
    assert render([{"role": "user", "content": "Hi"}], start=True) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_end_of_the_turn_is_learnt_and_the_newline_after_it_is_not() -> None:
    talk: Conversation = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "See you."},
    ]
    assert learnt(talk) == "Hello.<|im_end|>See you.<|im_end|>"


def test_tools_stand_in_the_system_block_and_calls_are_learnt() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": {"query": "späť"}}}
    talk: Conversation = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Find it"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "none"},
        {"role": "assistant", "content": "There is none."},
    ]
    rendered = render(talk, tools=[SEARCH])
    system = rendered.partition("<|im_end|>")[0]
    assert system.startswith("<|im_start|>system\nBe kind.\n\n# Tools\n")
    listed = re.search(r"<tools>\n(.*)\n</tools>", system, re.DOTALL)
    assert listed is not None
    assert json.loads(listed[1]) == SEARCH
    assert "<|im_start|>user\n<tool_response>\nnone\n</tool_response><|im_end|>\n" in rendered
    said = '<tool_call>\n{"name": "search", "arguments": {"query": "späť"}}\n</tool_call><|im_end|>'
    assert learnt(talk, [SEARCH]) == said + "There is none.<|im_end|>"


def test_a_field_that_is_null_renders_like_one_that_is_left_out() -> None:
    bare = {"type": "function", "function": {"name": "search"}}
    nulls = {
        "type": "function",
        "function": {"name": "search", "description": None, "parameters": None, "strict": None},
    }
    talk: Conversation = [{"role": "user", "content": "Hi"}]
    assert render(talk, tools=[bare]) == render(talk, tools=[nulls])


def test_results_that_follow_each_other_share_a_turn() -> None:
    talk: Conversation = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    assert render(talk).count("<|im_start|>user") == 1


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(Exception, match="wizard"):
        render([{"role": "wizard", "content": "Hi"}])


def test_smollm2_gets_our_template_and_any_other_base_keeps_its_own(base_dir: Path, tmp_path: Path) -> None:
    ours = template_of(base_dir)
    assert (ours.path, ours.serving, ours.training) == (TEMPLATE_PATH, SERVING, TRAINING)
    assert template_hash(base_dir) == template_hash() == ours.hash
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    other = template_of(tmp_path)
    assert (other.path, other.serving, other.training) == (None, "{{ messages }}", None)
    assert other.hash != ours.hash


def test_a_base_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        template_of(tmp_path)
    assert refusal.value.code == "base_without_template"
