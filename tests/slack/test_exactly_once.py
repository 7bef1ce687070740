"""Faults between Slack, the program and the server: each question is answered once, and none is forgotten."""

import sqlite3
import threading

import pytest

from tests.fakes.engine import Reply
from tests.fakes.slack import BOT_USER, GENERAL, FakeSlack
from tests.slack import roads
from tests.slack.conftest import Run, World, finished, until

pytestmark = pytest.mark.anyio
ME = f"<@{BOT_USER}>"
QUESTION = roads.QUESTION


async def test_an_acknowledgement_that_is_lost_brings_the_event_again_and_no_second_answer(world: World) -> None:
    await roads.a_lost_acknowledgement(world)
    assert len(world.engine.requests) == 1


async def test_an_event_that_is_repeated_is_dropped(world: World) -> None:
    await roads.a_repeated_event(world)
    assert len(world.engine.requests) == 2  # that and the next


async def test_an_event_that_is_repeated_later_is_dropped_even_by_another_process(run: Run) -> None:
    async with run() as first:
        ts = first.slack.say(QUESTION)
        await until(lambda: finished(first.slack, GENERAL, ts))
    async with run() as second:
        for delivery in list(second.slack.deliveries.made):
            before = delivery.tries
            second.slack.deliveries.again(delivery)
            await until(lambda one=delivery, tries=before: one.tries > tries)  # type: ignore[misc]
        after = second.slack.say(f"{ME} And now?")
        await until(lambda: finished(second.slack, GENERAL, after))
        assert len(second.slack.answers(GENERAL, ts)) == 1
        assert len(second.engine.requests) == 2


async def test_two_processes_on_one_ledger_answer_each_question_once(run: Run) -> None:
    async with run() as first, run():
        asked = [first.slack.say(f"{ME} Question {number}?") for number in range(6)]
        await until(lambda: all(finished(first.slack, GENERAL, ts) for ts in asked))
        assert [len(first.slack.answers(GENERAL, ts)) for ts in asked] == [1] * 6


async def test_every_event_is_acknowledged_while_its_answer_is_still_to_come(world: World) -> None:
    world.engine.model = lambda _: Reply("Slow it is.", hangs_after=1)
    asked = [world.slack.say(f"{ME} Question {number}?") for number in range(12)]
    await until(lambda: all(one.acked.is_set() for one in world.slack.deliveries.made))
    roads.acknowledged(world.slack)
    assert not any(finished(world.slack, GENERAL, ts) for ts in asked)


async def test_a_broken_socket_is_opened_again(world: World) -> None:
    first = world.slack.say(QUESTION)
    await until(lambda: finished(world.slack, GENERAL, first))
    before = set(world.slack.deliveries.sockets)
    world.slack.deliveries.cut()
    await until(lambda: before.isdisjoint(world.slack.deliveries.sockets))
    second = world.slack.say(QUESTION)
    await until(lambda: finished(world.slack, GENERAL, second), 60)


async def test_where_slack_does_not_stream_the_answer_is_edited_in(world: World) -> None:
    world.slack.streams = False
    world.engine.will("**Nine** o'clock, see [the hours](https://example.com/hours).")
    ts = world.slack.say(QUESTION)
    await until(lambda: "Nine" in str(world.slack.answers(GENERAL, ts)[-1:]))
    await until(
        lambda: any(one["type"] == "context_actions" for one in world.slack.answers(GENERAL, ts)[0]["blocks"])
    )
    [answer] = world.slack.answers(GENERAL, ts)
    assert answer["text"] == "*Nine* o'clock, see <https://example.com/hours|the hours>."


async def test_a_stream_that_expires_is_finished_by_editing(world: World) -> None:
    world.slack.stream_appends = 1
    text = " ".join(f"word-{number}" for number in range(200))  # so long that it goes out in several pieces
    world.engine.will(text)
    ts = world.slack.say(QUESTION)
    await until(lambda: "word-199" in str(world.slack.answers(GENERAL, ts)[-1:]))
    await until(lambda: world.slack.answers(GENERAL, ts)[0]["blocks"])
    [answer] = world.slack.answers(GENERAL, ts)
    assert answer["text"] == text
    assert answer["updates"] >= 1


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_a_connection_that_breaks_after_the_call_posts_nothing_twice(world: World, method: str) -> None:
    world.slack.broken[method] = 1
    world.engine.will(Reply("one two three four five six", pause=0.2))
    ts = world.slack.say(QUESTION)
    await until(lambda: "six" in str(world.slack.answers(GENERAL, ts)[-1:]))
    await until(lambda: finished(world.slack, GENERAL, ts) and world.slack.answers(GENERAL, ts)[0]["blocks"])
    [answer] = world.slack.answers(GENERAL, ts)
    assert answer["text"] == "one two three four five six"
    assert world.slack.broken[method] == 0


async def test_a_limit_of_slack_is_waited_for(world: World) -> None:
    world.slack.streams = False
    world.slack.limits.coming["chat.postMessage"] = 2
    asked = [world.slack.say(f"{ME} Question {number}?") for number in range(3)]
    await until(lambda: all(finished(world.slack, GENERAL, ts) for ts in asked))
    assert world.slack.limits.refused["chat.postMessage"] == 2
    assert [len(world.slack.answers(GENERAL, ts)) for ts in asked] == [1, 1, 1]


async def test_a_restart_in_mid_answer_ends_in_a_word_about_it_and_no_second_answer(run: Run) -> None:
    async with run() as first:
        first.engine.will(Reply("The library opens at nine in the morning", hangs_after=4))
        ts = first.slack.say(QUESTION)
        await until(lambda: any(one["text"] for one in first.slack.answers(GENERAL, ts)))
    async with run() as second:
        await until(lambda: "restarted" in str(second.slack.answers(GENERAL, ts)[0]["text"]))
        [answer] = second.slack.answers(GENERAL, ts)
        assert answer["text"].startswith("The ")
        assert answer["text"].endswith(
            "_I was restarted in the middle of this answer, so it ends here. Please ask me again._"
        )
        assert not answer["streaming"]
        assert len(second.engine.requests) == 1


async def test_a_restart_before_anything_was_said_answers_after_it(run: Run) -> None:
    async with run() as first:
        first.slack.held["conversations.replies"] = gate = threading.Event()
        ts = first.slack.say(QUESTION)
        await until(first.slack.holding.is_set)
    gate.set()
    del first.slack.held["conversations.replies"]
    async with run() as second:
        await until(lambda: finished(second.slack, GENERAL, ts))
        assert [one["text"] for one in second.slack.answers(GENERAL, ts)] == ["Hello from the engine."]


async def test_a_revoked_token_is_named_in_the_log_without_being_shown(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await roads.an_expired_token(world, lambda: caplog.text)
    workspace = world.program.desk.house.workspace("slack", "T0FAKE0001")
    assert workspace is not None
    assert workspace.gone == "token_revoked"


async def test_a_server_that_fails_is_told_in_a_sentence(world: World) -> None:
    world.engine.will(Reply("The library opens at nine", error_after=3))
    ts = world.slack.say(QUESTION)
    await until(lambda: finished(world.slack, GENERAL, ts))
    [answer] = world.slack.answers(GENERAL, ts)
    assert "Please ask me again" in answer["text"]


async def test_where_the_app_may_not_speak_the_asker_is_told_directly(world: World) -> None:
    world.slack.members.discard(GENERAL)
    world.slack.say(QUESTION)
    await until(lambda: world.slack.made("chat.postMessage"))
    [told] = world.slack.made("chat.postMessage")
    assert told["text"] == f"I cannot speak in <#{GENERAL}>. Invite me there, and ask me again."


def test_the_service_of_these_tests_delivers_again_what_nobody_acknowledges(slack: FakeSlack) -> None:
    slack.deliveries.door = "http://127.0.0.1:9/nobody"
    slack.deliveries.pauses = (0, 0, 0)
    slack.say(QUESTION)
    made = slack.deliveries.made[0]
    for _ in range(500):
        if made.tries == 4:
            break
        threading.Event().wait(0.02)
    assert made.tries == 4


async def test_an_event_that_cannot_be_written_down_is_not_acknowledged_and_comes_again(world: World) -> None:
    world.slack.deliveries.ack_seconds = 4.0
    other = sqlite3.connect(world.setup.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ts = world.slack.say(QUESTION)
    await until(lambda: all(one.tries > 1 for one in world.slack.deliveries.made))
    assert not any(one.acked.is_set() for one in world.slack.deliveries.made)
    other.execute("ROLLBACK")
    other.close()
    await until(lambda: finished(world.slack, GENERAL, ts))
    await until(lambda: all(one.acked.is_set() for one in world.slack.deliveries.made))
    assert len(world.slack.answers(GENERAL, ts)) == 1
