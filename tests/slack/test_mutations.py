"""The checks of these tests can fail: with one thing broken on purpose, the road that it matters on turns red."""

import sqlite3
from pathlib import Path

import pytest

from tests.fakes.slack import BOT_TOKEN, GENERAL
from tests.slack import roads
from tests.slack.conftest import World, finished, until

pytestmark = pytest.mark.anyio

_FORGET_EVENTS = "CREATE TRIGGER forget AFTER INSERT ON events BEGIN DELETE FROM events WHERE id = NEW.id; END"
_FORGET_QUESTIONS = """\
CREATE TRIGGER rename AFTER INSERT ON questions
BEGIN UPDATE questions SET key = key || hex(randomblob(8)) WHERE seq = NEW.seq; END"""


def _forgetful(database: Path) -> None:
    """Switch the recognition of what was taken before off, in the program's own database."""
    with sqlite3.connect(database) as connection:
        connection.execute(_FORGET_EVENTS)
        connection.execute(_FORGET_QUESTIONS)
    connection.close()


async def test_without_a_memory_of_events_one_question_still_has_one_answer(world: World) -> None:
    _forgetful(world.setup.database)
    ts = world.slack.say(roads.QUESTION)
    await until(lambda: finished(world.slack, GENERAL, ts))
    roads.answered_once(world.slack, ts)  # so it is the fault, not the mutation, that brings the second answer


async def test_without_a_memory_of_events_a_lost_acknowledgement_turns_red(world: World) -> None:
    _forgetful(world.setup.database)
    with pytest.raises(AssertionError, match=r"[234] answers"):
        await roads.a_lost_acknowledgement(world)


async def test_without_a_memory_of_events_a_repeated_event_turns_red(world: World) -> None:
    _forgetful(world.setup.database)
    with pytest.raises(AssertionError, match="2 answers"):
        await roads.a_repeated_event(world)


async def test_where_no_acknowledgement_ever_arrives_the_road_turns_red(world: World) -> None:
    world.slack.deliveries.ack_seconds = 0.2
    world.slack.deliveries.deaf = 1_000
    with pytest.raises(AssertionError, match="was never acknowledged"):
        await roads.a_lost_acknowledgement(world)


async def test_a_service_that_takes_expired_tokens_turns_red(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Lenient(set[str]):
        def __contains__(self, token: object) -> bool:
            return False

    world.slack.revoked = Lenient()
    with pytest.raises(AssertionError, match="does not name the token"):
        await roads.an_expired_token(world, lambda: caplog.text)


async def test_a_log_that_shows_the_token_turns_red(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError, match="shows a token"):
        await roads.an_expired_token(world, lambda: f"{caplog.text} {BOT_TOKEN}")


async def test_an_expired_token_leaves_the_question_without_an_answer_and_that_turns_red(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.slack.revoked.add(BOT_TOKEN)
    ts = world.slack.say(roads.QUESTION)
    await until(lambda: "token_revoked" in caplog.text)
    with pytest.raises(AssertionError, match="0 answers"):
        roads.answered_once(world.slack, ts)
