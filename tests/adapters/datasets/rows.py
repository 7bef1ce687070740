"""Rows of data sets, and files of them."""

import json
from pathlib import Path

U = {"role": "user", "content": "Hi"}
A = {"role": "assistant", "content": "Hello."}
S = {"role": "system", "content": "Be kind."}
PARAMETERS = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "count", "parameters": PARAMETERS}}


def call(arguments: object = '{"n": 1}', name: str = "count") -> dict[str, object]:
    made = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [made]}


RESULT = {"role": "tool", "tool_call_id": "c1", "content": "1"}


def talk(*messages: object, tools: object = None) -> str:
    return json.dumps({"messages": list(messages)} | ({} if tools is None else {"tools": tools}))


def pair(preferred: object = None, rejected: object = None, *messages: object, **more: object) -> str:
    row: dict[str, object] = {
        "input": {"messages": list(messages or (S, U))},
        "preferred_output": [A] if preferred is None else preferred,
        "non_preferred_output": [{**A, "content": "Go away."}] if rejected is None else rejected,
    }
    return json.dumps(row | more)


def asked(question: str, answer: str = "Hello.", **more: object) -> str:
    messages = [S, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages, **more})


def write(folder: Path, *lines: str, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
