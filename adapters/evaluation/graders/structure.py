"""The grader of JSON: whether an answer is JSON at all, and fits a schema."""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, JsonValue, field_validator
from referencing import Registry

from adapters.evaluation.answer import Answer
from adapters.evaluation.graders.grader import Options, Pair, failed
from adapters.evaluation.measure import Measured, share

_MOST_CHARACTERS = 200_000


class JsonSchema(Options):
    """The answer is JSON, all of it, and fits `schema`; with `match`, it is also equal to an expected one."""

    kind: Literal["json_schema"]
    json_schema: dict[str, JsonValue] = Field(alias="schema", description="A JSON Schema, draft 2020-12.")
    match: bool = Field(False, description="It must equal one of `expected`, read as JSON.")

    @field_validator("json_schema")
    @classmethod
    def _is_one(cls, schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"no JSON Schema: {error.message[:200]}") from error
        return schema

    def measure(self, pairs: Sequence[Pair]) -> Iterator[Measured]:
        """Yield the share that fits."""
        validator = Draft202012Validator(self.json_schema, registry=Registry())  # which fetches nothing
        told = [self._problem(validator, answer, case.expected) for case, answer in pairs]
        yield share(self.metric, [(problem is None, problem or "") for problem in told])

    def _problem(self, validator: Draft202012Validator, answer: Answer, expected: Sequence[str]) -> str | None:
        if problem := failed(answer):
            return problem
        try:
            value = read_json(answer.text)
        except ValueError:
            return "it is no JSON"
        found = next(iter(validator.iter_errors(value)), None)
        if found is not None:
            return f"{found.json_path}: {found.message[:120]}"
        if self.match and all(read_json(one) != value for one in expected):
            return "it says something else"
        return None


def read_json(text: str) -> JsonValue:
    """Read JSON as every reader would.

    Raises:
        ValueError: it is none.
    """

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no JSON")

    try:
        value: JsonValue = json.loads(text[:_MOST_CHARACTERS], parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value
