"""The part of an answer that the model sees, within its bounds."""

import json
import time

import pytest
from pydantic import ValidationError

from actions import OperationChoice
from actions.result import answered_in_part
from actions.selection import Selection, SelectionFailed

_PEOPLE = json.dumps(
    {"total": 2, "results": [{"id": 1, "name": "Ada", "salary": 9}, {"id": 2, "name": "Bo", "salary": 8}]}
)


@pytest.mark.parametrize(
    ("expression", "picked"),
    [
        ("results[].name", '["Ada", "Bo"]'),
        ("results[?salary > `8`].{who: name}", '[{"who": "Ada"}]'),
        ("results[0].name", "Ada"),
        ("total", "2"),
        ("results[?name == 'Zed']", "[]"),
    ],
)
def test_only_the_picked_part_is_shown(expression: str, picked: str) -> None:
    assert Selection(expression).pick(_PEOPLE) == picked


@pytest.mark.parametrize("body", ['{"error": "secret"}', "secret", '["secret"', "[" * 100_000, '"secret"'])
def test_what_cannot_be_picked_from_is_never_shown_whole(body: str) -> None:
    result = answered_in_part(200, body, Selection("results[].name"))

    assert result.ok
    assert "secret" not in result.text
    assert result.text.startswith("The service answered with status 200, and ")


def test_a_function_that_does_not_fit_the_answer_says_so() -> None:
    with pytest.raises(SelectionFailed, match="not of the form"):
        Selection("length(total)").pick(_PEOPLE)


def test_a_refusal_and_an_empty_answer_are_told_as_ever() -> None:
    assert answered_in_part(404, '{"detail": "no such"}', Selection("a")).text.endswith('{"detail": "no such"}')
    assert answered_in_part(204, "", Selection("a")).text.endswith("no content: it is done.")


@pytest.mark.parametrize(
    "expression",
    [
        "[@,@]" + "|[@,@]" * 30,
        "[@,@]" + "|[[],[]][]" * 30,
        "join('', [to_string(@), to_string(@)])" + "|join('', [@,@])" * 20,
        "sort_by(@, &to_string(@))[].to_string(@)" + "|[].to_string(@)" * 12,
    ],
)
def test_an_expression_that_multiplies_ends_soon_and_small(expression: str) -> None:
    body = json.dumps([["x" * 90, number] for number in range(20_000)])
    begun = time.monotonic()

    result = answered_in_part(200, body, Selection(expression))

    assert time.monotonic() - begun < 30  # unbounded it would be hours, or all memory
    assert len(result.text) <= 100_000


def test_a_long_evaluation_is_broken_off_by_its_time() -> None:
    ticks = iter(range(1_000_000))

    with pytest.raises(SelectionFailed, match="took too long"):
        Selection("[].[a, b, c]").pick(json.dumps([{"a": 1}] * 100), clock=lambda: next(ticks))


@pytest.mark.parametrize("expression", ["results[", "a b", "`", "x" * 501, "[" * 400])
def test_what_is_no_expression_is_refused_with_the_persona(expression: str) -> None:
    with pytest.raises(ValidationError, match="respond"):
        OperationChoice(id="x", respond=expression)
