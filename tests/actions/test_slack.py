"""The Slack connector against a service that answers 200 whatever happened, as Slack does."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from actions import ActionSet, ArgumentsInvalid
from actions.result import refused_in_words
from tests.actions.connecting import call, connected, refused, told
from tests.fakes.slack_api import GENERAL, PARENT, PRIVATE, TOKEN, Slack, running_slack


@pytest.fixture
def slack() -> Iterator[Slack]:
    with running_slack() as running:
        yield running


@pytest.fixture
def actions(slack: Slack) -> ActionSet:
    return connected("slack", slack.url, TOKEN)


def test_a_message_is_posted_in_a_channel_and_in_a_thread(actions: ActionSet, slack: Slack) -> None:
    first = told(actions, "post_message", channel=GENERAL, text="The fair is booked.")
    slack.later(1)
    told(actions, "post_message", channel=GENERAL, text="I take it.", thread_ts=PARENT)

    assert first == {"channel": GENERAL, "ts": slack.messages[-2]["ts"]}
    assert slack.messages[-2]["text"] == "The fair is booked."
    assert slack.messages[-1]["thread_ts"] == PARENT
    assert "thread_ts" not in slack.messages[-2]
    assert slack.messages[-1]["unfurl"] is False


def test_a_text_mentions_nobody_and_shows_as_it_was_written(actions: ActionSet, slack: Slack) -> None:
    told(actions, "post_message", channel=GENERAL, text="<!channel> <@U02> 1 < 2 & 3")

    assert slack.messages[-1]["text"] == "&lt;!channel&gt; &lt;@U02&gt; 1 &lt; 2 &amp; 3"
    assert slack.mentions == []


def test_the_service_of_these_tests_sees_mentions(slack: Slack) -> None:
    body = {"channel": GENERAL, "text": "<!channel> and <@U02|mira>"}
    httpx.post(f"{slack.url}/chat.postMessage", json=body, headers={"Authorization": f"Bearer {TOKEN}"})

    assert slack.mentions == ["!channel", "@U02"]


def test_a_user_is_found_by_address(actions: ActionSet) -> None:
    assert told(actions, "find_user_by_email", email="mira@example.com")["id"] == "U02"


def test_a_thread_is_read_page_by_page(actions: ActionSet) -> None:
    first = told(actions, "read_thread", channel=GENERAL, ts=PARENT)
    rest = told(actions, "read_thread", channel=GENERAL, ts=PARENT, cursor=first["next_cursor"])

    assert (len(first["messages"]), len(rest["messages"])) == (50, 11)
    assert rest["next_cursor"] == ""
    assert first["messages"][0] == {"user": "U01", "text": "Who takes the fair?", "ts": PARENT}


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("post_message", {"channel": "C0NOWHERE1", "text": "x"}, "channel_not_found"),
        ("post_message", {"channel": PRIVATE, "text": "x"}, "not_in_channel"),
        ("find_user_by_email", {"email": "nobody@example.com"}, "users_not_found"),
        ("read_thread", {"channel": GENERAL, "ts": "1111111111.000000"}, "thread_not_found"),
        ("read_thread", {"channel": "C0NOWHERE1", "ts": PARENT}, "channel_not_found"),
    ],
)
def test_an_answer_that_says_not_ok_is_a_failure_although_its_status_is_200(
    actions: ActionSet, operation: str, arguments: dict[str, Any], error: str
) -> None:
    assert refused(actions, operation, **arguments) == (200, {"ok": False, "error": error})


def test_a_failure_says_so_to_the_model(actions: ActionSet) -> None:
    result = call(actions, "post_message", {"channel": PRIVATE, "text": "x"})

    assert result.text == 'The service did not do it:\n{"ok":false,"error":"not_in_channel"}'


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-another-token", "invalid_auth")])
def test_without_the_token_nothing_is_done(slack: Slack, token: str | None, error: str) -> None:
    actions = connected("slack", slack.url, token)

    assert refused(actions, "post_message", channel=GENERAL, text="x") == (200, {"ok": False, "error": error})


@pytest.mark.parametrize(
    ("scope", "operation", "arguments"),
    [
        ("chat:write", "post_message", {"channel": GENERAL, "text": "x"}),
        ("users:read.email", "find_user_by_email", {"email": "mira@example.com"}),
        ("channels:history", "read_thread", {"channel": GENERAL, "ts": PARENT}),
    ],
)
def test_a_missing_scope_is_named(
    actions: ActionSet, slack: Slack, scope: str, operation: str, arguments: dict[str, Any]
) -> None:
    slack.scopes.discard(scope)

    _, body = refused(actions, operation, **arguments)

    assert (body["error"], body["needed"], scope in body["provided"]) == ("missing_scope", scope, False)


def test_a_second_message_in_the_same_second_is_refused_until_time_has_passed(
    actions: ActionSet, slack: Slack
) -> None:
    told(actions, "post_message", channel=GENERAL, text="One.")

    status, body = refused(actions, "post_message", channel=GENERAL, text="Two.")
    raw = httpx.post(f"{slack.url}/chat.postMessage", json={}, headers={"Authorization": f"Bearer {TOKEN}"})
    slack.later(1)

    assert (status, body) == (429, {"ok": False, "error": "ratelimited"})
    assert (raw.status_code, raw.headers["retry-after"]) == (429, "1")
    assert told(actions, "post_message", channel=GENERAL, text="Two.")["ts"]


def test_a_message_goes_out_as_json_since_nothing_else_is_read(actions: ActionSet, slack: Slack) -> None:
    raw = httpx.post(
        f"{slack.url}/chat.postMessage",
        content=json.dumps({"channel": GENERAL, "text": "x"}),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"},
    )

    assert raw.json() == {"ok": False, "error": "channel_not_found"}


@pytest.mark.parametrize("arguments", [{"channel": "#general"}, {"channel": "general"}, {"thread_ts": "now"}])
def test_channels_and_messages_are_named_by_their_ids(actions: ActionSet, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsInvalid):
        actions.validate("post_message", json.dumps({"channel": GENERAL, "text": "x"} | arguments))


@pytest.mark.parametrize(
    ("text", "ok", "certain"),
    [
        ('{"ok": true}', True, True),
        ('{"ok": false}', False, True),
        ('{"error": "x"}', False, False),
        ('{"ok": "true"}', False, False),
        ("[]", False, False),
        ("<html>", False, False),
        ('{"ok": true, "messages": ["cut', True, True),
        ('{"ok":false, "messages": ["cut', False, True),
        ('{"messages": ["ok\\": true, cut', False, False),
    ],
)
def test_an_answer_is_believed_by_its_own_field(text: str, ok: bool, certain: bool) -> None:
    refusal = refused_in_words(200, text, "ok")

    assert (refusal is None) is ok
    if refusal is not None:
        assert (refusal.ok, refusal.certain) == (False, certain)
        assert refusal.text.endswith(text)


def test_a_status_that_says_no_needs_no_field() -> None:
    assert refused_in_words(500, '{"ok": false}', "ok") is None
