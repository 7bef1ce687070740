"""Guided calling: the fixed texts of its steps, and reading the model's answers. Pure functions.

A small model never has to write the form of a call: it chooses a name among given ones, then writes
arguments that are decoded under the operation's schema. Training data and serving use these very texts.
"""

import json
from collections.abc import Sequence

from actions.decoding import decodable
from actions.json_value import JsonObject
from actions.naming import NOTHING
from actions.operation import Offered


def catalogue(operations: Sequence[Offered]) -> str:
    """Return the part of the system message that lists the operations."""
    lines = [f"- {operation.name}: {operation.description}" for operation in operations]
    return "\n".join(["# Actions", *lines])


def decision_choices(names: Sequence[str]) -> list[str]:
    """Return the words among which the model's decision is decoded."""
    return [NOTHING, *names]


def decision_prompt(names: Sequence[str]) -> str:
    """Return the user message that asks for a decision."""
    return f"Which action is needed now? Answer with one name: {', '.join(decision_choices(names))}"


def parse_decision(answer: str, names: Sequence[str]) -> str | None:
    """Return the name that the model chose; None for "none" and for anything else."""
    word = answer.strip().strip("`'\".")
    return word if word in names else None


def arguments_prompt(name: str) -> str:
    """Return the user message that asks for arguments."""
    return f"Write the arguments of {name} as JSON."


def correction_prompt(name: str, problem: str) -> str:
    """Return the user message of the one corrected try, after `ArgumentsInvalid`."""
    return f"{problem}\n\n{arguments_prompt(name)}"


def arguments_format(operation: Offered) -> JsonObject:
    """Return the `response_format` under which the arguments are decoded."""
    schema, _ = decodable(operation.parameters)
    return {"type": "json_schema", "json_schema": {"name": operation.name, "schema": schema}}


def call_text(name: str, arguments: JsonObject) -> str:
    """Return the assistant message that stands for a call that was made."""
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}"


def result_prompt(name: str, result_text: str) -> str:
    """Return the user message that carries a result, which the caller has fenced."""
    return f"# Result of {name}\n{result_text}\n\nAnswer the request with this result."
