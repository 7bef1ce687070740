"""Slack's HTTP requests: signatures, timestamps, retries."""

import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.slack import BOT_USER, GENERAL, SECRET
from tests.fakes.slack_deliveries import signature
from tests.slack.conftest import Run, World, finished, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def door(run: Run, anyio_backend: str) -> AsyncIterator[World]:
    async with run() as world:
        world.slack.deliveries.door = f"http://127.0.0.1:{world.program.port}/slack/slack/events"
        world.slack.deliveries.secret = SECRET
        yield world


async def test_a_signed_event_is_answered(door: World) -> None:
    ts = door.slack.say(f"<@{BOT_USER}> When does the library open?")
    await until(lambda: finished(door.slack, GENERAL, ts))
    assert set(door.slack.deliveries.statuses) == {200}


async def test_a_reply_that_gets_lost_brings_the_request_again_and_no_second_answer(door: World) -> None:
    door.slack.deliveries.deaf = 2
    ts = door.slack.say(f"<@{BOT_USER}> When does the library open?")
    await until(lambda: finished(door.slack, GENERAL, ts))
    await until(lambda: all(one.acked.is_set() for one in door.slack.deliveries.made))
    assert len(door.slack.answers(GENERAL, ts)) == 1
    assert len(door.engine.requests) == 1


@pytest.mark.parametrize(("secret", "late"), [("wrong", 0.0), (SECRET, 301.0)])
async def test_a_wrong_signature_and_an_old_one_are_refused(door: World, secret: str, late: float) -> None:
    door.slack.deliveries.secret, door.slack.deliveries.late = secret, late
    door.slack.deliveries.pauses = (0.0, 0.0, 0.0)
    ts = door.slack.say(f"<@{BOT_USER}> When does the library open?")
    await until(lambda: all(one.tries == 4 for one in door.slack.deliveries.made))
    assert set(door.slack.deliveries.statuses) == {401}
    assert door.slack.answers(GENERAL, ts) == []


async def test_slack_may_ask_whether_the_address_is_ours(door: World) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    stamp = str(int(time.time()))
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature(SECRET, stamp, body)}
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            str(door.slack.deliveries.door), content=body, headers=headers | {"content-type": "application/json"}
        )
        other = await http.post(
            str(door.slack.deliveries.door).replace("/slack/slack", "/slack/none"), content=body
        )
    assert (answer.status_code, answer.json()) == (200, {"challenge": "abc"})
    assert other.status_code == 404
