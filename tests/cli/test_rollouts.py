"""Rollouts and approvals on the command line, against a server that notes what it is asked."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.fakes.api import Api

PLAN = {"unit": "user", "metric": "faults", "alpha": 0.05, "tau": 0.1, "most": 10_000, "stops": {}}
ROLLOUT: dict[str, Any] = {
    "id": "rollout-1",
    "object": "rollout",
    "adapter": "coach",
    "version": 2,
    "baseline": 1,
    "state": "running",
    "stage": "5",
    "next": "25",
    "share": 0.05,
    "plan": PLAN,
    "started_at": 0.0,
    "ended_at": None,
}
FAULTS = {"error": 0, "empty": 2, "truncated": 0, "repeated": 0}
ARM = {"units": 3, "turns": 9, "faults": FAULTS, "unsafe": 0, "good": 1, "bad": 1, "p95_seconds": 0.5}
TEST = {"finding": "running", "p": 0.4, "difference": -0.01, "pairs": 30, "most": 10_000, "ratio_p": 0.7}
STEPS = [{"did": "start", "stage": "5", "by": "key:ann", "reason": "a trial", "at": 0.0}]
WHOLE = ROLLOUT | {
    "arms": {"canary": ARM, "control": ARM},
    "test": TEST | {"points": [[30, 0.4, -0.01]]},
    "similarity": 0.75,
    "unasked": 1,
    "steps": STEPS,
}


def test_a_rollout_is_started_and_says_whom_it_answers(run: Run, api: Api) -> None:
    api.answer("POST /api/rollouts", ROLLOUT)
    outcome = run("--url", api.url, "rollout", "start", "coach", "2", "--stage", "5", "--reason", "a trial")
    assert outcome.out == "rollout-1: coach@2 answers 5 % of the users.\n"
    body = api.requests[0].body
    assert isinstance(body, dict)
    assert (body["adapter"], body["version"], body["stage"], body["reason"]) == ("coach", 2, "5", "a trial")


def test_advance_goes_to_the_stage_that_follows_what_is_shown(run: Run, api: Api) -> None:
    api.answer("GET /api/rollouts/rollout-1", ROLLOUT)
    api.answer("POST /api/rollouts/rollout-1/advance", ROLLOUT | {"stage": "25", "next": "50"})
    assert run("--url", api.url, "rollout", "advance", "rollout-1").out.endswith("25 % of the users.\n")
    assert api.requests[1].body == {"to": "25", "reason": ""}


@pytest.mark.parametrize(
    ("word", "state", "told"),
    [
        ("pause", "paused", "coach@1 answers everyone until it is resumed."),
        ("resume", "running", "coach@2 answers 5 % of the users."),
        ("stop", "stopped", "coach@1 answers everyone again."),
    ],
)
def test_a_rollout_is_paused_resumed_and_stopped(run: Run, api: Api, word: str, state: str, told: str) -> None:
    api.answer(f"POST /api/rollouts/rollout-1/{word}", ROLLOUT | {"state": state})
    assert run("--url", api.url, "rollout", word, "rollout-1", "--reason", "x").out == f"rollout-1: {told}\n"
    assert api.requests[0].body == {"reason": "x"}


def test_a_rollout_is_shown_with_arms_test_and_steps(run: Run, api: Api, tmp_path: Path) -> None:
    api.answer("GET /api/rollouts/rollout-1", WHOLE)
    shown = run("--url", api.url, "rollout", "show", "rollout-1").out
    for part in (
        "coach@2 beside coach@1: running at 5",
        "after 30 of at most 10000 pairs",
        "2 empty",
        "75% alike",
    ):
        assert part in shown
    api.answer("GET /api/rollouts/rollout-1", WHOLE)
    page = tmp_path / "page.html"
    assert run("--url", api.url, "rollout", "show", "rollout-1", "--page", str(page)).code == 0
    assert "<svg" in page.read_text()


def test_rollouts_are_listed(run: Run, api: Api) -> None:
    api.answer("GET /api/rollouts", {"object": "list", "data": [ROLLOUT]})
    assert "coach@2" in run("--url", api.url, "rollout", "list").out


def test_an_approval_and_a_retirement_go_to_the_server(run: Run, api: Api) -> None:
    api.answer("POST /api/adapters/coach/versions/2/approve", {"name": "coach", "version": 2})
    api.answer("POST /api/adapters/coach/retire", {"name": "coach", "version": 1})
    assert run("--url", api.url, "adapter", "approve", "coach", "2", "--reason", "fine").out.startswith(
        "coach@2 is"
    )
    assert run("--url", api.url, "adapter", "approve", "coach", "2", "--override").code == 2
    retired = run(
        "--url", api.url, "adapter", "retire", "coach", "1", "--on", "2027-01-31", "--successor", "coach@2"
    )
    assert retired.out.startswith("coach@1 answers no more from 2027-01-31")
    body = api.requests[1].body
    assert isinstance(body, dict)
    assert (body["version"], body["successor"]) == (1, "coach@2")


def test_an_outcome_goes_to_the_server(run: Run, api: Api) -> None:
    path = "POST /api/rollouts/rollout-1/outcomes"
    api.answer(path, {"object": "rollout.outcome", "response": "chatcmpl-1", "taken": True})
    assert run("--url", api.url, "rollout", "outcome", "rollout-1", "chatcmpl-1", "--bad").out == "Noted.\n"
    assert api.requests[0].body == {"response": "chatcmpl-1", "outcome": 0, "unsafe": False}
    assert run("--url", api.url, "rollout", "outcome", "rollout-1", "chatcmpl-1").code == 2
