"""Roads that something goes wrong on, each with the checks at its end.

The tests of what must hold walk them, and `test_mutations.py` walks them with something broken, where the checks
must fail.
"""

from collections.abc import Callable

from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, GENERAL, FakeSlack
from tests.slack.conftest import World, finished, until

QUESTION = f"<@{BOT_USER}> When does the library open?"
_MOST_TRIES = 4


def answered_once(slack: FakeSlack, ts: str) -> None:
    """Check that a question has one answer, whole and with words in it."""
    answers = [(one["text"], bool(one.get("streaming"))) for one in slack.answers(GENERAL, ts)]
    assert len(answers) == 1, f"{len(answers)} answers: {answers}"
    assert answers[0][0], "the answer is empty"
    assert not answers[0][1], "the answer was never ended"


def acknowledged(slack: FakeSlack) -> None:
    """Check that everything that was delivered was acknowledged in Slack's three seconds."""
    for one in slack.deliveries.made:
        assert one.acked.is_set(), f"{one.key} was never acknowledged"
        assert min(one.taken) < 3, f"{one.key} was acknowledged late: {one.taken}"


async def a_lost_acknowledgement(world: World) -> None:
    """Slack does not hear that an event was taken, and sends it again."""
    deliveries = world.slack.deliveries
    deliveries.deaf += 2
    ts = world.slack.say(QUESTION)
    await until(lambda: all(one.acked.is_set() or one.tries == _MOST_TRIES for one in deliveries.made))
    await _quiet(world)
    assert sum(one.tries for one in deliveries.made) > len(deliveries.made), "nothing was delivered again"
    answered_once(world.slack, ts)
    acknowledged(world.slack)


async def a_repeated_event(world: World) -> None:
    """Slack delivers again what was taken and answered."""
    ts = world.slack.say(QUESTION)
    await until(lambda: finished(world.slack, GENERAL, ts))
    for delivery in list(world.slack.deliveries.made):
        before = delivery.tries
        world.slack.deliveries.again(delivery)
        await until(lambda one=delivery, tries=before: one.tries > tries)  # type: ignore[misc]
    await _next_answered(world)
    answered_once(world.slack, ts)


async def an_expired_token(world: World, log: Callable[[], str]) -> None:
    """The bot's token is good no more when somebody asks."""
    world.slack.revoked.add(BOT_TOKEN)
    ts = world.slack.say(QUESTION)
    await until(lambda: "token_revoked" in log() or finished(world.slack, GENERAL, ts))
    told = log()
    named = "The bot token of the Slack app 'slack' in workspace T0FAKE0001 is of no use any more (token_revoked)"
    assert named in told, "the log does not name the token"
    assert not any(token in told for token in (BOT_TOKEN, APP_TOKEN)), "the log shows a token"


async def _next_answered(world: World) -> None:
    """Ask something else: once that is answered, so is what came before it."""
    ts = world.slack.say(QUESTION)
    await until(lambda: finished(world.slack, GENERAL, ts))
    await _quiet(world)


async def _quiet(world: World) -> None:
    """Wait until no question waits for an answer."""
    ledger = world.program.desk.ledger
    await until(lambda: "done" in ledger.tally() and not {"waiting", "answering"} & set(ledger.tally()))
