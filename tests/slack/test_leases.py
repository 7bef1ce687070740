"""A process stands still for longer than its lease and goes on while another has taken its question."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integrations.slack.config import Setup
from tests.fakes.engine import Reply
from tests.fakes.slack import BOT_USER, GENERAL, FakeSlack
from tests.server.conftest import Gateway
from tests.slack.child import child
from tests.slack.conftest import finished, until

pytestmark = pytest.mark.anyio
QUESTION = f"<@{BOT_USER}> When does the library open?"
_START = 90.0


@contextmanager
def _standing_still(process: subprocess.Popen[str]) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def _noticed(log: Path) -> bool:
    return "no longer this process's" in log.read_text()


async def test_a_process_that_stood_still_in_mid_answer_adds_nothing_to_what_another_has_ended(
    slack: FakeSlack, gateway: Gateway, setup: Setup, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    gateway.engine.will(Reply("The library opens at nine in the morning", pause=0.5))
    with child(setup, first) as process:
        ts = slack.say(QUESTION)
        await until(lambda: any(one["text"] for one in slack.answers(GENERAL, ts)), _START)
        with _standing_still(process), child(setup, second):
            await until(lambda: "restarted" in str(slack.answers(GENERAL, ts)[0]["text"]), _START)
            ended = slack.answers(GENERAL, ts)
        await until(lambda: _noticed(first))
    assert slack.answers(GENERAL, ts) == ended
    assert [str(one["text"]).endswith("Please ask me again._") for one in ended] == [True]
    assert len(gateway.engine.requests) == 1


async def test_a_process_that_stood_still_before_it_said_anything_leaves_the_answer_to_another(
    slack: FakeSlack, gateway: Gateway, setup: Setup, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    slack.held["conversations.replies"] = gate = threading.Event()
    with child(setup, first) as process:
        ts = slack.say(QUESTION)
        await until(slack.holding.is_set, _START)
        with _standing_still(process):
            del slack.held["conversations.replies"]
            with child(setup, second):
                await until(lambda: finished(slack, GENERAL, ts), _START)
                gate.set()  # what the first waits for lies ready when it goes on
        await until(lambda: _noticed(first))
    assert [one["text"] for one in slack.answers(GENERAL, ts)] == ["Hello from the engine."]
    assert len(gateway.engine.requests) == 1
