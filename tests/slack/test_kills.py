"""The program is killed with -9: nothing that was acknowledged is forgotten, nothing is answered twice."""

import random
from pathlib import Path

import anyio
import pytest

from integrations.slack.config import Setup
from tests.fakes.engine import Reply
from tests.fakes.slack import BOT_USER, GENERAL, FakeSlack
from tests.server.conftest import Gateway
from tests.slack.child import child
from tests.slack.conftest import until
from tests.slack.load import Load, echo

pytestmark = pytest.mark.anyio
QUESTION = f"<@{BOT_USER}> When does the library open?"


async def test_a_kill_in_mid_answer_ends_in_a_word_about_it_and_no_second_answer(
    slack: FakeSlack, gateway: Gateway, setup: Setup, tmp_path: Path
) -> None:
    gateway.engine.will(Reply("The library opens at nine in the morning", hangs_after=4))
    with child(setup, tmp_path / "slack.log") as process:
        ts = slack.say(QUESTION)
        await until(lambda: any(one["text"] for one in slack.answers(GENERAL, ts)), 90)
        process.kill()
        process.wait()
    with child(setup, tmp_path / "slack.log"):
        await until(lambda: "restarted" in str(slack.answers(GENERAL, ts)[0]["text"]), 90)
    assert len(slack.answers(GENERAL, ts)) == 1
    assert len(gateway.engine.requests) == 1
    log = (tmp_path / "slack.log").read_text()
    assert "xoxb-" not in log
    assert "xapp-" not in log
    assert setup.api_key.get_secret_value() not in log


async def _soak(
    slack: FakeSlack, gateway: Gateway, setup: Setup, log: Path, *, mentions: int, threads: int, kills: int
) -> Load:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"\n{mentions} mentions in {threads} threads, seed {seed}")  # noqa: T201  the log of the run
    chance = random.Random(seed)
    slack.deliveries.ack_seconds = 3.0
    gateway.engine.model = echo(chance)
    load, finished = Load(slack, gateway.engine, chance), anyio.Event()

    async def program() -> None:
        left = kills
        while not finished.is_set():
            with child(setup, log) as process:
                until_kill = mentions / (kills + 1) * (kills - left + 1)
                while not finished.is_set() and (not left or sum(map(len, load.asked.values())) < until_kill):
                    await anyio.sleep(0.05)
                if left:
                    process.kill()
                    process.wait()
                    load.faults["kill -9"] += 1
                    left -= 1

    async with anyio.create_task_group() as group:
        group.start_soon(program)
        await load.ask(mentions, threads)
        await load.settled(max(120.0, mentions * 1.5))
        finished.set()
    print(f"{load.whole()} whole answers; {dict(load.faults)}")  # noqa: T201
    return load


async def test_sixty_mentions_with_faults_are_answered_exactly_once_each(
    slack: FakeSlack, gateway: Gateway, setup: Setup, tmp_path: Path
) -> None:
    load = await _soak(slack, gateway, setup, tmp_path / "slack.log", mentions=60, threads=10, kills=1)
    assert load.wrong() == []
    assert load.whole() >= 30


@pytest.mark.soak
async def test_a_thousand_mentions_in_fifty_threads_are_answered_exactly_once_each(
    slack: FakeSlack, gateway: Gateway, setup: Setup, tmp_path: Path
) -> None:
    load = await _soak(slack, gateway, setup, tmp_path / "slack.log", mentions=1000, threads=50, kills=12)
    assert load.wrong() == []
    assert load.whole() >= 700
