"""Commands that ask the running server."""

import json
from pathlib import Path

import pytest

from server.cli.answers import ActionCall
from tests.cli.conftest import Run
from tests.fakes.api import Api


@pytest.mark.parametrize(
    "command",
    [
        ("persona", "list"),
        ("knowledge", "list"),
        ("knowledge", "search", "returns", "--persona", "support-agent"),
        ("approval", "list"),
        ("approval", "approve", "appr-1"),
        ("action", "audit"),
        ("adapter", "use", "support-agent", "2"),
        ("adapter", "rollback", "support-agent"),
        ("chat", "support-agent", "-m", "hi"),
    ],
)
def test_without_a_server_each_says_in_one_sentence_how_to_start_it(run: Run, command: tuple[str, ...]) -> None:
    outcome = run("--url", "http://127.0.0.1:9", *command)
    assert outcome.code == 1
    assert outcome.err.startswith("Error: No server answers at http://127.0.0.1:9. Start one with `make run`")
    assert outcome.err.count("\n") == 1


def test_the_admin_key_of_the_data_directory_is_sent(run: Run, api: Api, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "admin.key").write_text("rep-admin\n")
    api.answer("GET /api/personas", {"data": [], "problems": []})
    run("--url", api.url, "persona", "list")
    assert api.requests[0].authorization == "Bearer rep-admin"


def test_a_key_of_the_environment_goes_before_the_admin_key(
    run: Run, api: Api, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.mkdir()
    (data_dir / "admin.key").write_text("rep-admin\n")
    monkeypatch.setenv("REPERTORY_API_KEY", "rep-mine")
    api.answer("GET /api/personas", {"data": [], "problems": []})
    run("--url", api.url, "persona", "list")
    assert api.requests[0].authorization == "Bearer rep-mine"


def test_a_refused_key_says_where_the_key_comes_from(run: Run, api: Api) -> None:
    api.answer("GET /api/approvals", {"error": {"message": "The API key is not valid."}}, status=401)
    outcome = run("--url", api.url, "approval", "list")
    assert outcome.code == 1
    assert "REPERTORY_API_KEY" in outcome.err


def test_a_search_shows_where_each_passage_stands(run: Run, api: Api) -> None:
    hit = {
        "path": "returns.pdf",
        "title": "Returns",
        "heading": "Limit",
        "text": "Thirty days.",
        "page": 3,
        "score": 1,
        "cosine": 0.5,
    }
    api.answer("POST /api/knowledge/search", {"data": [hit]})
    outcome = run(
        "--url", api.url, "knowledge", "search", "how long", "--persona", "support-agent", "--top-k", "2"
    )
    assert "[1] Returns > Limit, page 3" in outcome.out
    assert "returns.pdf  score 1.00  cosine 0.50" in outcome.out
    assert api.requests[0].body == {"query": "how long", "top_k": 2, "persona": "support-agent"}


def test_a_search_without_a_place_is_a_usage_error(run: Run, api: Api) -> None:
    assert run("--url", api.url, "knowledge", "search", "how long").code == 2
    assert api.requests == []


def test_use_hands_on_version_override_and_reason(run: Run, api: Api) -> None:
    api.answer("POST /api/adapters/support-agent/use", {"name": "support-agent", "version": 2})
    outcome = run("--url", api.url, "adapter", "use", "support-agent", "2", "--override", "--reason", "hot fix")
    assert outcome.out == "support-agent@2 answers now.\n"
    assert api.requests[0].body == {"version": 2, "override": True, "reason": "hot fix"}


def test_an_override_without_a_reason_is_a_usage_error(run: Run, api: Api) -> None:
    assert run("--url", api.url, "adapter", "use", "support-agent", "2", "--override").code == 2
    assert api.requests == []


def test_a_refused_release_ends_with_the_servers_sentence_and_code(run: Run, api: Api) -> None:
    message = "The version 'support-agent@2' was not evaluated."
    refusal = {"error": {"message": message, "code": "override_needed"}}
    api.answer("POST /api/adapters/support-agent/use", refusal, status=409)
    outcome = run("--url", api.url, "adapter", "use", "support-agent", "2")
    assert (outcome.code, outcome.err) == (1, f"Error: {message} (override_needed)\n")


def test_a_rollback_names_the_version_that_answers_again(run: Run, api: Api) -> None:
    api.answer("POST /api/adapters/support-agent/rollback", {"name": "support-agent", "version": 1})
    outcome = run("--url", api.url, "adapter", "rollback", "support-agent", "--reason", "worse tone")
    assert outcome.out == "support-agent@1 answers again.\n"
    assert api.requests[0].body == {"reason": "worse tone"}


@pytest.mark.parametrize("word", ["approve", "deny"])
def test_a_decision_goes_to_the_server(run: Run, api: Api, word: str) -> None:
    api.answer("POST /api/approvals/appr-1", {"id": "appr-1", "state": "approved"})
    assert run("--url", api.url, "approval", word, "appr-1").code == 0
    assert api.requests[0].body == {"decision": word}


def test_an_edited_call_goes_to_the_server_with_its_arguments(run: Run, api: Api) -> None:
    api.answer("POST /api/approvals/appr-1", {"id": "appr-1", "state": "approved"})
    outcome = run("--url", api.url, "approval", "edit", "appr-1", "--arguments", '{"contact": "8"}')
    assert outcome.out.startswith("Edited and approved appr-1.")
    assert api.requests[0].body == {"decision": "edit", "arguments": {"contact": "8"}}


def test_arguments_that_are_no_json_are_refused_before_anything_is_sent(run: Run, api: Api) -> None:
    outcome = run("--url", api.url, "approval", "edit", "appr-1", "--arguments", "contact: 8")
    assert (outcome.code, api.requests) == (1, [])
    assert "--arguments is no JSON" in outcome.err


def test_an_edited_approval_is_listed_with_both_versions(run: Run, api: Api) -> None:
    edited = {"arguments": {"contact": "8"}, "effect": "DELETE x"}
    row = {"id": "appr-1", "state": "done", "operation": "remove", "arguments": {"contact": "7"}, "edited": edited}
    api.answer("GET /api/approvals", {"data": [row]})
    shown = run("--url", api.url, "approval", "list", "--state", "all").out
    assert "remove(contact='7'), edited to (contact='8')" in " ".join(shown.split())


def test_the_audit_shows_calls_with_their_arguments_or_what_is_left_of_them(run: Run, api: Api) -> None:
    call = {
        "state": "done",
        "persona": "clerk",
        "revision": "abc",
        "principal": "key:ada",
        "operation": "look_up",
        "status": 200,
        "created_at": 1_800_000_000,
    }
    rows = [
        {**call, "id": "call-1", "arguments": {"who": "Ada"}},
        {**call, "id": "call-2", "arguments_sha256": "0123456789abcdef"},
        {**call, "id": "call-3", "decided_by": "key:boss"},
    ]
    api.answer("GET /api/actions/calls", {"data": rows})
    asked = ("--url", api.url, "action", "audit", "--persona", "clerk", "--state", "done", "--json")
    listed = json.loads(run(*asked).out)
    assert [one["id"] for one in listed] == ["call-1", "call-2", "call-3"]
    assert api.requests[0].query == "persona=clerk&state=done&limit=50"
    assert [ActionCall.model_validate(row).told for row in rows] == [
        "who='Ada'",
        "sha256 0123456789ab",
        "(deleted)",
    ]
    shown = run("--url", api.url, "action", "audit").out
    assert all(word in shown for word in ("call-1", "key:boss", "look_up"))


def test_only_pending_approvals_are_listed_unless_asked_otherwise(run: Run, api: Api) -> None:
    rows = [{"id": f"appr-{state}", "state": state, "operation": "op"} for state in ("pending", "done")]
    api.answer("GET /api/approvals", {"data": rows})
    assert [one["id"] for one in json.loads(run("--url", api.url, "approval", "list", "--json").out)] == [
        "appr-pending"
    ]
    both = json.loads(run("--url", api.url, "approval", "list", "--state", "all", "--json").out)
    assert [one["id"] for one in both] == ["appr-pending", "appr-done"]


def test_personas_show_the_version_that_answers_and_why_one_is_away(run: Run, api: Api) -> None:
    good = {
        "id": "coach",
        "name": "Coach",
        "adapter": "coach",
        "adapter_version": 3,
        "ready": True,
        "reason": None,
    }
    away = {
        "id": "guide",
        "name": "Guide",
        "adapter": None,
        "ready": False,
        "reason": "The engine is starting.",
    }
    problem = {"file": "new.yaml", "line": 4, "field": "id", "message": "missing"}
    api.answer("GET /api/personas", {"data": [good, away], "problems": [problem]})
    outcome = run("--url", api.url, "persona", "list")
    assert "coach@3" in outcome.out
    assert "The engine is starting." in outcome.out
    assert outcome.err == "new.yaml:4: id: missing\n"


def test_an_answer_of_another_shape_is_one_sentence_and_no_traceback(run: Run, api: Api) -> None:
    api.answer("GET /api/personas", {"data": [{"id": 7}], "problems": []})
    outcome = run("--url", api.url, "persona", "list")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: The server's answer has an unknown shape.")
