"""The grader of JSON: whether an answer is JSON at all, and fits a schema."""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, JsonValue, field_validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from adapters.evaluation.answer import Answer
from adapters.evaluation.case import Case
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
            lost = next((one for one in _references(schema) if not _resolves(schema, one)), None)
        except SchemaError as error:
            raise ValueError(f"no JSON Schema: {error.message[:200]}") from error
        if lost is not None:
            raise ValueError(f"its $ref {lost!r} leads nowhere; nothing outside the schema is fetched")
        return schema

    def needs(self, case: Case) -> str | None:
        """Want JSON to compare with, where the answer must equal one."""
        if not self.match:
            return None
        try:
            for one in case.expected:
                read_json(one)
        except ValueError:
            return "expected, as JSON"
        return None if case.expected else "expected"

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
        if self.match and not any(same_json(read_json(one), value) for one in expected):
            return "it says something else"
        return None


def same_json(one: JsonValue, other: JsonValue) -> bool:
    """Tell whether two values are the same JSON: 1 is 1.0, and never true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def _references(schema: JsonValue) -> Iterator[str]:
    """Yield every `$ref` of a schema, and what only looks like one in an example."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict):
        yield from (one for key in ("$ref", "$dynamicRef") if isinstance(one := schema.get(key), str))
    for part in parts:
        yield from _references(part)


def _resolves(schema: dict[str, JsonValue], reference: str) -> bool:
    resource = DRAFT202012.create_resource(schema)
    try:
        Registry().with_resource(resource.id() or "", resource).resolver(resource.id() or "").lookup(reference)
    except (Unresolvable, ValueError):
        return False
    return True


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
