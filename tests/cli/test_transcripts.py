"""`repertory transcript`, against a small server that says what it was asked."""

import json
from urllib.parse import parse_qs

from tests.cli.conftest import Run
from tests.fakes.api import Api

ONE = {
    "id": "chatcmpl-1",
    "begun_at": 1_800_000_000.0,
    "persona": "plain",
    "principal": "key:app",
    "user": "ada",
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "error": "engine_stalled",
    "has_content": True,
}


def test_a_list_asks_for_what_was_meant_and_shows_how_turns_ended(run: Run, api: Api) -> None:
    api.answer("GET /api/transcripts", {"data": [ONE], "has_more": False})
    shown = run("--url", api.url, "transcript", "list", "--user", "ada", "--since", "2026-11-23", "--limit", "7")
    assert parse_qs(api.requests[0].query) == {"user": ["ada"], "from": ["1795392000.0"], "limit": ["7"]}
    assert "2027-01-15 08:00:00" in shown.out
    assert "engine_stalled" in shown.out


def test_a_wrong_day_is_refused_in_words(run: Run, api: Api) -> None:
    outcome = run("--url", api.url, "transcript", "list", "--since", "yesterday")
    assert outcome.code == 1
    assert "2026-11-23" in outcome.err
    assert api.requests == []


def test_show_writes_all_of_it(run: Run, api: Api) -> None:
    api.answer("GET /api/transcripts/chatcmpl-1", {**ONE, "content": {"answers": ["Hello"]}})
    shown = json.loads(run("--url", api.url, "transcript", "show", "chatcmpl-1").out)
    assert shown["content"]["answers"] == ["Hello"]


def test_delete_says_whose_and_whether_the_bytes_are_gone(run: Run, api: Api) -> None:
    api.answer("DELETE /api/transcripts", {"deleted": 3, "erased": False})
    assert run("--url", api.url, "transcript", "delete").code == 1
    assert run("--url", api.url, "transcript", "delete", "--principal", "").code == 1
    assert api.requests == []
    outcome = run("--url", api.url, "transcript", "delete", "--user", "ada", "--conversation", "conv-1")
    assert parse_qs(api.requests[0].query) == {"user": ["ada"], "conversation": ["conv-1"]}
    assert "Deleted 3" in outcome.out
    assert "within the hour" in outcome.err
