"""`repertory hook` and `repertory mcp`, against a server that answers as ours does."""

import json

from tests.cli.conftest import Run
from tests.fakes.api import Api

JOB = {"id": "hook-1", "state": "done", "persona": "clerk", "hook": "crm", "answer": "Yes."}
NOTES = {
    "name": "notes",
    "url": "https://notes.example/mcp",
    "reason": None,
    "tools": [{"name": "find", "state": "accepted"}, {"name": "mail", "state": "changed"}],
}


def test_jobs_are_listed_shown_and_tried_again(run: Run, api: Api) -> None:
    told = {"state": "given_up", "attempts": 31}
    api.answer("GET /api/hooks/jobs", {"data": [{**JOB, "callback": told}, {**JOB, "callback": None}]})
    api.answer("GET /api/hooks/jobs/hook-1", JOB)
    api.answer("POST /api/hooks/jobs/hook-1/retry", JOB)
    listed = run("--url", api.url, "hook", "list")
    assert "given_up" in listed.out
    assert "31" in listed.out
    assert json.loads(run("--url", api.url, "hook", "list", "--json").out)[0]["callback"] == told
    assert json.loads(run("--url", api.url, "hook", "show", "hook-1").out) == JOB
    assert "hook-1 is tried again" in run("--url", api.url, "hook", "retry", "hook-1").out


def test_servers_are_listed_with_what_is_to_be_looked_at_and_accepted(run: Run, api: Api) -> None:
    api.answer("GET /api/mcp/servers", {"data": [NOTES]})
    api.answer("GET /api/mcp/servers/notes", NOTES)
    api.answer("POST /api/mcp/servers/notes/accept", NOTES)
    listed = run("--url", api.url, "mcp", "list").out
    assert "mail (changed)" in listed
    assert "find (" not in listed
    assert json.loads(run("--url", api.url, "mcp", "list", "--json").out)[0]["name"] == "notes"
    assert json.loads(run("--url", api.url, "mcp", "show", "notes").out) == NOTES
    assert "Accepted" in run("--url", api.url, "mcp", "accept", "notes").out
    assert api.requests[-1].method == "POST"


def test_without_jobs_or_servers_a_sentence_says_so(run: Run, api: Api) -> None:
    api.answer("GET /api/hooks/jobs", {"data": []})
    api.answer("GET /api/mcp/servers", {"data": []})
    assert "Nothing came" in run("--url", api.url, "hook", "list").out
    assert "REPERTORY_MCP_FILE" in run("--url", api.url, "mcp", "list").out
