"""Guided calling on the real engine: whatever the schema, what the small model writes is a call."""

import asyncio

import pytest

from benchmarks.calling.gateway import gateway
from benchmarks.calling.judged import Asked, questions
from benchmarks.calling.watched import Verdict
from server.engine.process import runtime_dir
from tests.engine.server import RunningServer

DIFFERENT = {
    "rate_book": "half steps, and a text or null",
    "list_plants": "a list without repetition",
    "label_bed": "a map",
    "move_ship": "alternatives in a field",
    "send_signal": "a header and a plain text without bound",
    "write_menu": "a schema that refers to itself",
    "pay_bill": "alternatives as a body",
    "prescribe": "an object, and a list of numbers in bounds",
    "attach_note": "a form with a file and a list without bound",
    "change_profile": "nothing but optional fields",
}
"""Operations of the judged set → what is special in their schemas."""


@pytest.fixture(scope="module")
def verdicts(server: RunningServer) -> dict[str, Verdict]:
    """What became of a question for each operation, whose choice is given, through a gateway of its own."""
    chosen = [one for one in questions() if one.operation in DIFFERENT]

    async def ask(asked: list[Asked]) -> dict[str, Verdict]:
        async with gateway(runtime_dir(server.data_dir) / "engine.sock", asked) as running:
            return {one.operation: await running.ask(one, "guided", decided=True) for one in asked}

    return asyncio.run(ask(chosen))


@pytest.mark.parametrize("operation", DIFFERENT)
def test_arguments_under_any_schema_parse_validate_and_are_sent(
    operation: str, verdicts: dict[str, Verdict]
) -> None:
    assert verdicts[operation].valid
    assert verdicts[operation].arrived == 1
