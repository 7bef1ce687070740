"""A model for `FakeEngine` that does what it is asked, always the same way: what a large model would, in small.

The real default base is too weak to show whether a client and the server understand each other; this one always
obeys. It looks at the question: the user's last message, without the passages that the gateway put behind it.

| the engine is asked for | it answers | follows |
|---|---|---|
| one of `structured_outputs.choice` | the mentioned one, else the first | vLLM, structured outputs |
| `response_format: json_schema` | the smallest instance of the schema | the same |
| `response_format: structural_tag` of a schema | the same | vLLM, structural tags |
| `response_format: json_object` | an object; its keys are the words that the question quotes | OpenAI, JSON mode |
| `tool_choice` a name | a call of it, finished with `stop` | vLLM `serving.py`: "stop" for named tool calls |
| `tool_choice: required` | a call of the mentioned tool, else of the first | the same: "tool_calls" |
| tools, nothing forced | a call, if the question mentions a tool and no result is there yet | OpenAI, tools |
| the result of a call | the result | |
| passages | the first one's first line, with the marker `[1]` | the passages' own instruction |
| anything else | the question | |
| `stop` | ends before the first of these | OpenAI, `stop` |
| `max_tokens` | ends after so many pieces, with `length` | OpenAI, `max_tokens` |

Values of arguments and instances come from the question in order: its quoted texts, its numbers.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.engine import Reply, pieces

_OWN_STEPS = re.compile(
    r"Which action is needed now\?|Write the arguments of |.*\n\nWrite the arguments of ", re.DOTALL
)
_PASSAGES = re.compile(r"\n\n# Passages\n(.*)", re.DOTALL)
_RESULT = re.compile(r"# Result of \S+\n(.*?)\n\nAnswer the request", re.DOTALL)
_QUOTED = re.compile(r"""(?<!\w)["'‘“「]([^"'’”」]+)["'’”」](?!\w)""")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(r"[A-Z]?[a-z]+|\d+")

Body = Mapping[str, Any]


def answer(body: Body) -> Reply:
    """Return what the model says to a chat request."""
    tools = [tool["function"] for tool in body.get("tools") or []]
    choice = body.get("tool_choice", "auto")
    form = body.get("response_format") or {}
    if choices := (body.get("structured_outputs") or {}).get("choice"):
        return Reply(next((name for name in choices if _mentions(_question(body), name)), choices[0]))
    if tools and choice != "none" and (called := _called(body, tools, choice)) is not None:
        arguments = json.dumps(
            _Values(_question(body)).instance(called.get("parameters") or {}), ensure_ascii=False
        )
        return Reply(text="", tool_calls=((called["name"], arguments),))
    if form.get("type") == "json_schema":
        value = _Values(_question(body)).instance(form["json_schema"]["schema"])
        return _ended(body, json.dumps(value, ensure_ascii=False))
    if form.get("type") == "structural_tag":
        value = _Values(_question(body)).instance(form["format"]["json_schema"])
        return _ended(body, json.dumps(value, ensure_ascii=False))
    if form.get("type") == "json_object":
        return _ended(body, json.dumps(dict.fromkeys(_QUOTED.findall(_question(body)), "as asked")))
    return _ended(body, _told(body))


def _called(body: Body, tools: Sequence[Mapping[str, Any]], choice: object) -> Mapping[str, Any] | None:
    if isinstance(choice, dict):
        return next(tool for tool in tools if tool["name"] == choice["function"]["name"])
    mentioned = next((tool for tool in tools if _mentions(_question(body), tool["name"])), None)
    if choice == "required":
        return mentioned or tools[0]
    last = body["messages"][-1]
    return None if last["role"] == "tool" or _RESULT.match(last.get("content") or "") else mentioned


def _told(body: Body) -> str:
    last = body["messages"][-1]
    text = last.get("content") or ""
    if last["role"] == "tool":
        return f"The result is {text}"
    if result := _RESULT.match(text):
        return f"The result is {result[1]}"
    if (found := _PASSAGES.search(text)) and found[1].startswith("[1]"):
        first_line = found[1].splitlines()[1]
        return f"{first_line.rstrip('.')} [1]."
    return f"You said: {_question(body)}"


def _ended(body: Body, text: str) -> Reply:
    """Return the text as `stop` and `max_tokens` leave it."""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    kept = pieces(text)[: body["max_tokens"]]
    return Reply("".join(kept), finish="stop" if "".join(kept) == text else "length")


def _question(body: Body) -> str:
    """Return the user's last message that is not one of the gateway's own steps."""
    texts = [str(m.get("content") or "") for m in body["messages"] if m["role"] == "user"]
    asked = next((text for text in reversed(texts) if not _OWN_STEPS.match(text)), "")
    return _PASSAGES.sub("", asked)


def _mentions(question: str, name: str) -> bool:
    """Tell whether the question has a word of the name; small words do not count."""
    words = {word.lower() for word in _WORD.findall(question)}
    return any(len(word) > 3 and word.lower() in words for word in _WORD.findall(name))


class _Values:
    """Fills a JSON Schema from a question."""

    def __init__(self, question: str) -> None:
        self._texts: Iterator[str] = iter(_QUOTED.findall(question))
        self._numbers: Iterator[str] = iter(_NUMBER.findall(question))
        self._last_word = (re.findall(r"\w+", question) or ["text"])[-1]

    def instance(self, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
        """Return the smallest value that the schema allows."""
        root = schema if root is None else root
        if "$ref" in schema:
            return self.instance(_resolved(root, schema["$ref"]), root)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("allOf", "anyOf", "oneOf"):
            if key in schema:
                return self.instance(schema[key][0], root)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        match kind[0] if isinstance(kind, list) else kind:
            case "object":
                required = schema.get("required", [])
                properties = schema.get("properties", {})
                return {name: self.instance(part, root) for name, part in properties.items() if name in required}
            case "array":
                return [self.instance(schema.get("items", {}), root)]
            case "integer":
                return int(float(next(self._numbers, schema.get("minimum", 1))))
            case "number":
                return float(next(self._numbers, schema.get("minimum", 1)))
            case "boolean":
                return True
            case "null":
                return None
        return next(self._texts, self._last_word)


def _resolved(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found
