"""The grammar of a chat stream, as recorded from OpenAI: what a client may rely on, frame by frame.

Whoever breaks one rule of it crashes some client: openai-python delivers a bare `{"sources": []}` as a chunk
whose `choices` are None, chokes on an event without data, and the AI SDK gives up on named events.
"""

import json
from typing import Any

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
_FRAME = {"id", "object", "created", "model", "choices"}
_CHOICE = {"index", "delta", "finish_reason", "logprobs"}
_DELTA = {"role", "content", "refusal", "tool_calls", "annotations"}


class Ungrammatical(AssertionError):
    """The stream breaks a rule."""


def _require(holds: bool, rule: str, shown: object) -> None:
    if not holds:
        raise Ungrammatical(f"{rule}: {shown}")


def check(text: str, *, include_usage: bool = False) -> list[dict[str, Any]]:
    """Return the frames of a whole stream.

    Raises:
        Ungrammatical: it breaks a rule; the message says which.
    """
    events = [event for event in text.split("\n\n") if event and not event.startswith(": ")]
    _require(text.endswith("\n\n"), "every event ends with an empty line", text[-20:])
    for event in events:
        _require(event.startswith("data: ") and "\n" not in event, "an event is one data line", event)
    _require(events[-1] == "data: [DONE]", "the stream ends with [DONE]", events[-1])
    frames = [json.loads(event[6:]) for event in events[:-1]]
    told = frames[:-1] if include_usage else frames
    if include_usage:
        _usage_at_the_end(frames)
    for frame in frames:
        _require("error" not in frame, "no frame of a good stream has a key 'error'", frame)
        _require(set(frame) - {"usage", "repertory"} == _FRAME, "a frame has OpenAI's keys", frame)
        _require(frame["object"] == "chat.completion.chunk", "a frame is a chunk", frame)
        _require(isinstance(frame["created"], int), "created is a whole number", frame)
        _require(isinstance(frame["choices"], list), "choices is a list", frame)
    _require(len({(f["id"], f["created"], f["model"]) for f in frames}) == 1, "frames share their head", frames[0])
    _require(all(f["choices"] for f in told), "only the usage frame has no choices", told)
    _require(include_usage or all("usage" not in f for f in frames), "usage only where asked for", frames[-1])
    for index in {c["index"] for f in told for c in f["choices"]}:
        _answer([c for f in told for c in f["choices"] if c["index"] == index])
    return frames


def _usage_at_the_end(frames: list[dict[str, Any]]) -> None:
    _require(all(f.get("usage", 0) is None for f in frames[:-1]), "usage is null until the end", frames[0])
    last = frames[-1]
    _require(last["choices"] == [], "the usage frame has no choices", last)
    usage = last.get("usage") or {}
    total = usage.get("prompt_tokens", -1) + usage.get("completion_tokens", -1)
    _require(usage.get("total_tokens") == total, "the usage frame has the total", last)


def _answer(choices: list[dict[str, Any]]) -> None:
    first, *middle, last = choices
    _require(
        first["delta"] == {"role": "assistant", "content": "", "refusal": None},
        "an answer opens with its role",
        first,
    )
    _require(last["delta"] == {}, "the last delta is empty", last)
    _require(last["finish_reason"] in REASONS, "the last frame has a known reason", last)
    _require(all(c["finish_reason"] is None for c in choices[:-1]), "one reason, at the end", choices)
    opened: set[int] = set()
    for choice in choices:
        _require(set(choice) == _CHOICE, "a choice has OpenAI's keys", choice)
        _require(set(choice["delta"]) <= _DELTA, "a delta has OpenAI's keys", choice)
    for choice in middle:
        _require(bool(choice["delta"]) and "role" not in choice["delta"], "the role comes once", choice)
        for call in choice["delta"].get("tool_calls", []):
            _tool_call(call, opened)


def _tool_call(call: dict[str, Any], opened: set[int]) -> None:
    if call["index"] in opened:
        _require(set(call) == {"index", "function"}, "id and type come once", call)
        _require(set(call["function"]) == {"arguments"}, "the name comes once", call)
        return
    _require(call.get("type") == "function" and bool(call.get("id")), "a call opens with id and type", call)
    _require(bool(call["function"].get("name")), "a call opens with its name", call)
    opened.add(call["index"])
