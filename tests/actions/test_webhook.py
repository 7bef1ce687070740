"""The webhook connector against a receiver."""

import json
from collections.abc import Iterator

import httpx
import pytest

from actions import ActionSet, ArgumentsInvalid, DocumentInvalid
from actions.json_value import JsonObject
from tests.actions.connecting import alone, call, connected
from tests.fakes.webhook import PATH, TOKEN, Webhook, running_webhook

PAID: JsonObject = {"event": "order_paid", "text": "Order 7 is paid.", "data": {"order": 7, "gift": False}}


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as running:
        yield running


@pytest.fixture
def actions(webhook: Webhook) -> ActionSet:
    return connected("webhook", webhook.url, TOKEN)


def test_an_event_arrives_as_json_with_its_time(actions: ActionSet, webhook: Webhook) -> None:
    result = call(actions, "send_webhook", PAID)

    assert (result.ok, result.status) == (True, 202)
    assert webhook.taken == [PAID | {"sent_at": "2026-05-28T20:26:40.000Z"}]


def test_the_address_is_called_as_it_was_given(webhook: Webhook) -> None:
    exact = connected("webhook", webhook.url, TOKEN)
    longer = connected("webhook", f"{webhook.url}/", TOKEN)

    assert exact.effect("send_webhook", PAID) == f"POST http://{webhook.host}{PATH}"
    assert longer.effect("send_webhook", PAID) == f"POST http://{webhook.host}{PATH}/"
    assert call(longer, "send_webhook", PAID).status == 404


def test_an_event_waits_for_a_person_and_is_taken_once_under_its_key(actions: ActionSet, webhook: Webhook) -> None:
    assert actions.get("send_webhook").consequential

    for _ in range(2):
        assert call(actions, "send_webhook", PAID, key="appr-1").ok

    assert len(webhook.taken) == 1


@pytest.mark.parametrize("token", [None, "whk-another-9999"])
def test_without_the_token_nothing_is_taken(webhook: Webhook, token: str | None) -> None:
    result = call(connected("webhook", webhook.url, token), "send_webhook", PAID)

    assert (result.status, result.ok, webhook.taken) == (401, False, [])


def test_what_the_receiver_refuses_is_told(actions: ActionSet, webhook: Webhook) -> None:
    unknown = call(actions, "send_webhook", {**PAID, "event": "order_eaten"})
    webhook.window.limit = 0
    too_many = call(actions, "send_webhook", PAID)
    webhook.closed = True
    closed = call(actions, "send_webhook", PAID)

    assert (unknown.status, too_many.status, closed.status) == (422, 429, 410)
    assert "unknown event 'order_eaten'" in unknown.text
    assert webhook.taken == []


def test_an_event_is_one_word_and_its_data_plain(actions: ActionSet) -> None:
    for wrong in ({"event": "Order paid!"}, {"data": {"order": {"id": 7}}}, {"sent_at": "1999-01-01"}):
        with pytest.raises(ArgumentsInvalid):
            actions.validate("send_webhook", json.dumps({**PAID, **wrong}))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/hook",
        "https://x.example/hook?sig=1",
        "https://u:p@x.example/hook",
        "nowhere",
        "https://a b.example/hook",
    ],
)
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(DocumentInvalid, match="the server"):
        alone("webhook", server=url)


def test_the_address_is_needed() -> None:
    with pytest.raises(DocumentInvalid, match="connector 'webhook' needs your own address"):
        alone("webhook")


def test_the_receiver_of_these_tests_answers_as_http_says(webhook: Webhook) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        refused = [
            client.post(webhook.url, content=b"x"),
            client.post(webhook.url, json={**PAID, "text": "x" * 70_000}),
            client.post(webhook.url, content=b"{", headers={"Content-Type": "application/json"}),
            client.post(webhook.url, json=[]),
        ]
        read = client.get(webhook.url)
        nobody = client.post(webhook.url, json=PAID, headers={"Authorization": "Bearer of-nothing"})
        webhook.window.limit = 0
        later = client.post(webhook.url, json=PAID)

    assert [one.status_code for one in refused] == [415, 413, 400, 400]
    assert (read.status_code, read.headers["allow"]) == (405, "POST")
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
    assert (later.status_code, later.headers["retry-after"]) == (429, "60")
    assert webhook.taken == []
