"""Guided calling: the fixed texts of its steps, and reading the model's answers. Pure functions.

A small model never has to write the form of a call: it chooses a name among given ones, then writes
arguments that are decoded under the operation's schema. Training data and serving use these very texts.
"""

import json
from collections.abc import Sequence
from enum import StrEnum

from actions.concise import short, sure
from actions.decoding import decodable
from actions.json_value import JsonObject
from actions.naming import NOTHING
from actions.operation import Offered


class Care(StrEnum):
    """How strictly arguments are decoded.

    Attributes:
        FREE: all that is valid may be written.
        SURE: nothing that is checked only afterwards, for the corrected try.
        SHORT: as little as makes a call, where the first try did not come to an end.
    """

    FREE = "free"
    SURE = "sure"
    SHORT = "short"


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


def takes_nothing(operation: Offered) -> bool:
    """Tell whether `{}` is all that can be written."""
    parameters = operation.parameters
    return not parameters.get("properties") and parameters.get("additionalProperties") is False


def arguments_format(operation: Offered, care: Care = Care.FREE) -> JsonObject:
    """Return the `response_format` under which the arguments are decoded.

    It is vLLM's for structural tags, since that alone bounds the space between values: with as much as it likes a
    small model writes nothing else.
    """
    schema = operation.parameters
    if care is not Care.FREE:
        schema = sure(operation.strict or schema)
    schema, _ = decodable(schema)
    if care is Care.SHORT:
        schema = short(schema)
    return {
        "type": "structural_tag",
        "format": {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1},
    }


def call_text(name: str, arguments: JsonObject) -> str:
    """Return the assistant message that stands for a call that was made."""
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}"


def result_prompt(name: str, result_text: str) -> str:
    """Return the user message that carries a result, which the caller has fenced."""
    return f"# Result of {name}\n{result_text}\n\nAnswer the request with this result."
