"""Examples as token ids with a loss mask: exactly what the engine would read, the assistant's part marked.

Owns the checks that a wrong mask cannot pass: the end of each turn is learnt, and nothing is cut away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from adapters.datasets.example import Example, Message
from core.errors import InvalidRequest

IGNORED = -100
"""The label of a token that is not learnt."""


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed here."""

    eos_token_id: int | None

    def apply_chat_template(
        self, conversation: list[dict[str, object]], **options: object
    ) -> dict[str, list[int]]:
        """Render and tokenize."""
        ...

    def decode(self, token_ids: list[int]) -> str:
        """Return the text of tokens."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids and labels of equal length; `IGNORED` labels carry no loss."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """The same question with the answer to prefer and the one to avoid; only the answers carry labels."""

    chosen: EncodedExample
    rejected: EncodedExample


class TrainingDataUnfit(InvalidRequest):
    """An example cannot be learnt with this template or length."""

    code = "training_data_unfit"


def encode(
    examples: Iterable[Example], tokenizer: Tokenizer, template: str, max_length: int
) -> list[EncodedExample]:
    """Encode every example.

    Raises:
        TrainingDataUnfit: an example is longer than `max_length`, the template's marks are wrong, or it
            leaves out the calls that examples make.
    """
    examples = list(examples)
    _check_template(examples, tokenizer, template)
    return [_encode(example, tokenizer, template, max_length) for example in examples]


def encode_pairs(
    examples: Iterable[Example], tokenizer: Tokenizer, template: str, max_length: int
) -> list[EncodedPair]:
    """Encode every pair.

    Raises:
        TrainingDataUnfit: as of `encode`.
    """
    examples = list(examples)
    _check_template(examples, tokenizer, template)
    return [_encode_pair(example, tokenizer, template, max_length) for example in examples]


def measure(example: Example, tokenizer: Tokenizer, template: str) -> tuple[int, int]:
    """Return how many tokens an example, or the longer side of a pair, has, and how many of them are learnt."""
    sides = _sides(example) if example.rejected else [example]
    return max(_measure(side, tokenizer, template) for side in sides)


def _measure(example: Example, tokenizer: Tokenizer, template: str) -> tuple[int, int]:
    ids, mask = _render(
        [_plain(message) for message in example.messages], list(example.tools), tokenizer, template
    )
    spoken = [message for message in example.messages if message.role == "assistant"]
    spans = zip(spoken, _spans(mask), strict=False)
    return len(ids), sum(end - start for message, (start, end) in spans if message.learnt)


def _encode(example: Example, tokenizer: Tokenizer, template: str, max_length: int) -> EncodedExample:
    ids, mask = _render(
        [_plain(message) for message in example.messages], list(example.tools), tokenizer, template
    )
    if len(ids) > max_length:
        raise TrainingDataUnfit(
            f"Line {example.line}: the example has {len(ids)} tokens, over the limit of {max_length}, so "
            "that its "
            "answer would be cut away. Shorten it, or raise --max-length.",
            code="example_too_long",
        )
    spans = _spans(mask)
    spoken = [message for message in example.messages if message.role == "assistant"]
    if len(spans) != len(spoken):
        raise TrainingDataUnfit(
            f"Line {example.line}: the template marks {len(spans)} spans for {len(spoken)} assistant "
            "messages. "
            "Mend the {% generation %} marks of the base's chat template.",
            code="template_marks_wrong",
        )
    labels = [IGNORED] * len(ids)
    for message, (start, end) in zip(spoken, spans, strict=True):
        if message.learnt:
            labels[start:end] = ids[start:end]
    if all(label == IGNORED for label in labels):
        raise TrainingDataUnfit(
            f"Line {example.line}: nothing of the example would be learnt. Give an assistant message weight 1.",
            code="nothing_learnt",
        )
    return EncodedExample(ids, labels)


def _encode_pair(example: Example, tokenizer: Tokenizer, template: str, max_length: int) -> EncodedPair:
    chosen, rejected = (_encode(side, tokenizer, template, max_length) for side in _sides(example))
    return EncodedPair(chosen, rejected)


def _sides(pair: Example) -> list[Example]:
    """Return the question with the answer to prefer, and with the one to avoid; only the answer is learnt."""
    asked = tuple(replace(message, learnt=False) for message in pair.messages[:-1])
    return [
        replace(pair, messages=(*asked, replace(answer, learnt=True)), rejected=())
        for answer in (pair.messages[-1], pair.rejected[-1])
    ]


def _check_template(examples: Sequence[Example], tokenizer: Tokenizer, template: str) -> None:
    _check_marks(tokenizer, template)
    calling = next((one for one in examples if any(message.tool_calls for message in one.messages)), None)
    if calling is not None:
        _check_calls(calling.line, tokenizer, template)


def _check_calls(line: int, tokenizer: Tokenizer, template: str) -> None:
    """Render a call and see that it is learnt: many templates know no tools, and leave an empty answer."""
    tool = {"type": "function", "function": {"name": "probe_of_tools", "parameters": {"type": "object"}}}
    made = {"id": "call_0", "type": "function", "function": {"name": "probe_of_tools", "arguments": {"n": 1}}}
    probe: list[dict[str, object]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [made]},
    ]
    ids, mask = _render(probe, [tool], tokenizer, template)
    learnt = [token for token, marked in zip(ids, mask, strict=True) if marked]
    if tokenizer.decode(ids).count("probe_of_tools") < 2 or "probe_of_tools" not in tokenizer.decode(learnt):
        raise TrainingDataUnfit(
            f"Line {line} calls a tool, and the base's chat template leaves tools and calls out, so that an "
            "empty answer would be learnt. Write the call as text, or put a chat_template.jinja that renders "
            "`tools` and `tool_calls` into the base's folder.",
            code="template_without_tools",
        )


def _check_marks(tokenizer: Tokenizer, template: str) -> None:
    """Render a probe and see that its end of turn is learnt: else the model would never stop."""
    probe: list[dict[str, object]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    ids, mask = _render(probe, [], tokenizer, template)
    learnt = [token for token, marked in zip(ids, mask, strict=True) if marked]
    if tokenizer.eos_token_id is None or tokenizer.eos_token_id not in learnt:
        raise TrainingDataUnfit(
            "The chat template leaves the end of the assistant's turn out of what is learnt, so that the "
            "model would "
            "never stop. Put the end token inside {% generation %} … {% endgeneration %}.",
            code="stop_token_not_learnt",
        )


def _render(
    messages: list[dict[str, object]], tools: list[object], tokenizer: Tokenizer, template: str
) -> tuple[list[int], list[int]]:
    encoded = tokenizer.apply_chat_template(
        messages,
        tools=tools or None,
        chat_template=template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return encoded["input_ids"], encoded["assistant_masks"]


def _plain(message: Message) -> dict[str, object]:
    plain: dict[str, object] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = list(message.tool_calls)
    return plain


def _spans(mask: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    place = 0
    for marked, run in groupby(mask):
        length = sum(1 for _ in run)
        if marked:
            spans.append((place, place + length))
        place += length
    return spans
