from tests.cli.conftest import Run
from tests.fakes.api import Api

APPROVAL = "appr-" + "a1" * 12


def citation(url: str, title: str, start: int, end: int) -> dict[str, object]:
    place = {"url": url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": place}


def asked(api: Api) -> list[dict[str, object]]:
    bodies = [request.body for request in api.requests if request.path == "/v1/chat/completions"]
    return [body for body in bodies if isinstance(body, dict)]


def waiting(state: str = "pending") -> dict[str, object]:
    call = {
        "operation": "create_ticket",
        "arguments": {"title": "Crash"},
        "effect": "POST http://tracker/tickets",
    }
    return {"data": [{"id": APPROVAL, "state": state, "persona": "scrum-coach", "principal": "me", **call}]}


def test_an_answer_is_followed_by_its_sources(run: Run, api: Api) -> None:
    notes = citation("/v1/files/d1/content#chars=0-9", "Returns > Time limit", 12, 15)
    api.stream("Thirty days ", "[1].", annotations=[notes, notes])
    shown = run("--url", api.url, "chat", "support-agent", "-m", "How long?").out
    assert shown == (
        f"Thirty days [1].\nSources\n  [1] Returns > Time limit  {api.url}/v1/files/d1/content#chars=0-9\n"
    )


def test_the_conversation_so_far_goes_along_with_each_message(run: Run, api: Api) -> None:
    api.stream("Hello.")
    run("--url", api.url, "chat", "support-agent", piped="hi\nand now?\n")
    first, second = asked(api)
    assert second["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "and now?"},
    ]
    assert first["repertory"] == second["repertory"]


def test_starting_over_forgets_the_messages(run: Run, api: Api) -> None:
    api.stream("Hello.")
    run("--url", api.url, "chat", "support-agent", typed="hi\n/new\nagain\n/quit\n")
    first, second = asked(api)
    assert second["messages"] == [{"role": "user", "content": "again"}]
    assert first["repertory"] != second["repertory"]


def test_a_person_approves_a_call_and_the_same_request_goes_on(run: Run, api: Api) -> None:
    api.stream(f"I would file a ticket. It waits for approval as {APPROVAL}.")
    api.stream("Filed as T-7.")
    api.answer("GET /api/approvals", waiting())
    api.answer(f"POST /api/approvals/{APPROVAL}", {"id": APPROVAL, "state": "approved"})
    shown = run("--url", api.url, "chat", "scrum-coach", "-m", "File it", typed="y\n")
    assert shown.code == 0
    assert "wants to call create_ticket(title='Crash')" in shown.out
    assert "Filed as T-7." in shown.out
    decisions = [request.body for request in api.requests if request.path.startswith("/api/approvals/")]
    assert decisions == [{"decision": "approve"}]
    first, second = asked(api)
    assert first == second


def test_saying_no_denies_the_call(run: Run, api: Api) -> None:
    api.stream(f"It waits as {APPROVAL}.")
    api.stream("I did not file it.")
    api.answer("GET /api/approvals", waiting())
    api.answer(f"POST /api/approvals/{APPROVAL}", {"id": APPROVAL, "state": "denied"})
    run("--url", api.url, "chat", "scrum-coach", "-m", "File it", typed="n\n")
    decisions = [request.body for request in api.requests if request.path.startswith("/api/approvals/")]
    assert decisions == [{"decision": "deny"}]


def test_without_a_person_at_the_terminal_nothing_is_approved(run: Run, api: Api) -> None:
    api.stream(f"It waits as {APPROVAL}.")
    api.answer("GET /api/approvals", waiting())
    shown = run("--url", api.url, "chat", "scrum-coach", "-m", "File it", piped="y\n")
    assert "Someone with the right to approve decides" in shown.out
    assert not [request for request in api.requests if request.path.startswith("/api/approvals/")]


def test_a_key_that_may_not_approve_is_not_asked(run: Run, api: Api) -> None:
    api.stream(f"It waits as {APPROVAL}.")
    api.answer("GET /api/approvals", {"error": {"message": "This key lacks the scope 'approve'."}}, status=403)
    shown = run("--url", api.url, "chat", "scrum-coach", "-m", "File it", typed="y\n")
    assert shown.code == 0
    assert "Someone with the right to approve decides" in shown.out


def test_an_unknown_persona_is_one_sentence_and_exit_code_1(run: Run, api: Api) -> None:
    api.answer("POST /v1/chat/completions", {"error": {"message": "The model 'x' does not exist."}}, status=404)
    outcome = run("--url", api.url, "chat", "x", "-m", "hi")
    assert outcome.code == 1
    assert outcome.err == "Error: The model 'x' does not exist. (upstream_failed)\n"


def test_an_answer_that_breaks_off_is_a_failure(run: Run, api: Api) -> None:
    api.stream("Half an ans", finish=None)
    outcome = run("--url", api.url, "chat", "support-agent", "-m", "hi")
    assert outcome.code == 1
    assert "broke off" in outcome.err


def test_an_error_frame_after_the_first_words_is_shown(run: Run, api: Api) -> None:
    frames = [{"choices": [{"delta": {"content": "Half"}}]}, {"error": {"message": "The engine stopped."}}]
    api.answer("POST /v1/chat/completions", frames)
    outcome = run("--url", api.url, "chat", "support-agent", "-m", "hi")
    assert outcome.code == 1
    assert outcome.err == "Error: The engine stopped. (upstream_failed)\n"


def test_a_failed_turn_at_the_terminal_leaves_the_conversation_usable(run: Run, api: Api) -> None:
    api.answer("POST /v1/chat/completions", {"error": {"message": "The engine is away."}}, status=503)
    api.stream("Hello.")
    outcome = run("--url", api.url, "chat", "support-agent", typed="one\ntwo\n")
    assert outcome.code == 0
    assert "Error: The engine is away." in outcome.err
    assert asked(api)[1]["messages"] == [{"role": "user", "content": "two"}]
