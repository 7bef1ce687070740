"""The whole road once: Slack, the program beside the server, the persona, the real engine, and back."""

import time
from collections.abc import Callable

import httpx

from tests.engine.server import RunningServer
from tests.fakes.slack import BOT_USER, GENERAL, FakeSlack, elements

_PATIENCE = 180.0


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _finished(slack: FakeSlack, ts: str, count: int) -> bool:
    answers = slack.answers(GENERAL, ts)
    return len(answers) == count and not any(one.get("streaming") for one in answers)


def _made(server: RunningServer) -> set[str]:
    """Return the calls that were approved and made."""
    listed = httpx.get(f"{server.url}/api/approvals?state=done", headers=server.admin, trust_env=False).json()
    return {one["id"] for one in listed["data"] if one["operation"] == "create_ticket"}


def test_a_project_manager_answers_in_a_channel_and_files_a_ticket_once_it_is_approved(
    server: RunningServer, slack: FakeSlack
) -> None:
    ts = slack.say(f"<@{BOT_USER}> How long may our sprint planning take?")
    _until(lambda: _finished(slack, ts, 1))
    [answer] = slack.answers(GENERAL, ts)
    assert answer["text"]
    assert answer["tasks"]["documents"]["sources"]
    before = _made(server)
    other = slack.say(f"<@{BOT_USER}> Please file a ticket: the dark mode toggle does nothing.")
    _until(lambda: _finished(slack, other, 1))
    [waiting] = slack.answers(GENERAL, other)
    assert "approval_approve" in {one.get("action_id") for one in elements(waiting)}
    slack.click(waiting["ts"], "approval_approve")
    _until(lambda: _finished(slack, other, 2))
    [made] = _made(server) - before
    assert made
