"""A mention is answered with sources, through the real bolt app and the real gateway."""

import pytest

from tests.fakes.slack import BOT_USER, GENERAL
from tests.slack.conftest import World, finished, until

pytestmark = pytest.mark.anyio


async def test_a_mention_is_answered_in_its_thread_with_sources(world: World) -> None:
    world.engine.will("The library opens at nine [1].")
    ts = world.slack.say(f"<@{BOT_USER}> When does the library open?")
    await until(lambda: finished(world.slack, GENERAL, ts))
    [answer] = world.slack.answers(GENERAL, ts)
    assert answer["text"] == "The library opens at nine [1]."
    assert answer["thread_ts"] == ts
    sources = answer["blocks"][0]["elements"][0]["text"]
    assert sources.startswith("Sources: [1] <http://127.0.0.1:")
    assert "Opening hours>" in sources
    looked = answer["tasks"]["documents"]
    assert (looked["status"], looked["sources"][0]["type"]) == ("complete", "url")
    assert [one for one in world.slack.deliveries.made if one.tries > 1] == []


async def test_a_long_answer_arrives_whole_in_as_many_messages_as_it_needs(world: World) -> None:
    told = [f"Sentence {number} of the long answer is here." for number in range(400)]
    world.engine.will(" ".join(told))
    ts = world.slack.say(f"<@{BOT_USER}> Tell me all.")
    await until(
        lambda: told[-1] in str(world.slack.answers(GENERAL, ts)[-1:]) and finished(world.slack, GENERAL, ts)
    )
    texts = [str(one["text"]) for one in world.slack.answers(GENERAL, ts)]
    assert len(texts) > 1
    assert max(map(len, texts)) <= 12_000
    assert " ".join(" ".join(texts).split()) == " ".join(told)
