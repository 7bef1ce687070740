"""Evaluations on the command line: files are checked without a server, the rest asks the one that runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.fakes.api import Api

FILE = """\
name: capitals
persona: atlas
sets:
  - {name: lines, file: cases.jsonl, graders: [{kind: exact}]}
gate:
  - {metric: lines.exact, comparator: base, op: ">="}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cases.jsonl").write_text('{"prompt": "The capital of France?", "expected": "Paris"}\n')
    path = tmp_path / "capitals.yaml"
    path.write_text(FILE)
    return path


def _shown(**fields: Any) -> dict[str, Any]:
    return {
        "id": "eval-1",
        "name": "capitals",
        "persona": "atlas",
        "adapter": "atlas",
        "version": 3,
        "state": "queued",
        "done": 1,
        "total": 2,
        "per_second": 0.5,
        "seconds_left": 2.0,
        "outcome": None,
        "reason": None,
        "error": None,
        "stale": False,
        **fields,
    }


def _report(outcome: str) -> dict[str, Any]:
    arms = {"base": {"value": 0.2, "low": 0.1, "high": 0.3}, "candidate": {"value": 0.9, "low": 0.8, "high": 0.95}}
    difference = {"value": 0.7, "low": 0.6, "high": 0.8, "only_candidate": 7, "only_other": 0, "p": 0.01}
    metric = {"metric": "lines.exact", "slice": "all", "n": 10, "lower_is_better": False, "signature": ""}
    rule = {"metric": "lines.exact", "slice": "all", "comparator": "base", "op": ">", "value": None, "margin": 0.0}
    rule |= {"required": True, "outcome": outcome, "reason": "lines.exact: +0.700 against the base."}
    gate = {"outcome": outcome, "reason": "lines.exact: +0.700 against the base.", "rules": [rule]}
    told: dict[str, Any] = {"arms": ["base", "candidate"], "cases": 10, "current": None, "by": "key:admin"}
    told |= {"metrics": [{**metric, "arms": arms, "differences": {"base": difference}}]}
    return (
        _shown(state="done", outcome=outcome) | told | {"gate": gate, "judge": None, "failed": {}, "answers": []}
    )


def test_a_file_is_checked_without_a_server_and_doubts_are_told(run: Run, file: Path) -> None:
    checked = run("eval", "check", str(file))
    assert checked.code == 0, checked.err
    assert "lines" in checked.out
    assert "no required rule wants more than the prompt alone" in checked.out
    assert "wants 30 cases and has 1" in checked.out
    file.write_text(FILE.replace("op:", "opp:"))
    broken = run("eval", "check", str(file))
    assert broken.code == 1
    assert "capitals.yaml:6: gate[0].opp: unknown field" in broken.err


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 1)])
def test_a_run_sends_the_cases_waits_and_ends_as_the_gate_says(
    run: Run, file: Path, api: Api, tmp_path: Path, outcome: str, code: int
) -> None:
    api.answer("POST /api/evals", _shown(), 202)
    api.answer("GET /api/evals/eval-1", _shown(state="done", done=2, outcome=outcome))
    api.answer("GET /api/evals/eval-1/report", _report(outcome))
    page = tmp_path / "report.html"
    ended = run("--url", api.url, "eval", "run", str(file), "--version", "3", "--html", str(page))
    assert ended.code == code, ended.err
    assert f"Verdict: {outcome}. lines.exact: +0.700 against the base." in ended.out
    assert "0.200 (0.100–0.300)" in ended.out
    assert "lines.exact" in page.read_text()
    sent: Any = api.requests[0].body
    assert sent["version"] == 3
    assert sent["spec"]["sets"][0]["cases"][0]["prompt"] == "The capital of France?"
    assert "file" not in sent["spec"]["sets"][0]


def test_a_run_without_a_result_says_why(run: Run, file: Path, api: Api) -> None:
    api.answer("POST /api/evals", _shown(), 202)
    failed = _shown(state="failed", error={"code": "persona_changed", "message": "The persona has changed."})
    api.answer("GET /api/evals/eval-1", failed)
    ended = run("--url", api.url, "eval", "run", str(file))
    assert ended.code == 1
    assert "eval-1 has no result: The persona has changed." in ended.err


def test_evaluations_are_listed_shown_and_cancelled(run: Run, api: Api) -> None:
    api.answer("GET /api/evals", {"object": "list", "data": [_shown(), _report("pass") | {"stale": True}]})
    api.answer("GET /api/evals/eval-1", _shown())
    api.answer("POST /api/evals/eval-1/cancel", _shown(state="cancelled"))
    listed = run("--url", api.url, "eval", "list", "--adapter", "atlas")
    assert "atlas@3" in listed.out
    assert "pass (stale: evaluate again)" in listed.out
    assert (
        "eval-1 is queued: 1 of 2 answers, 0.50 a second, about 2 s left"
        in run("--url", api.url, "eval", "show", "eval-1").out
    )
    assert json.loads(run("--url", api.url, "eval", "show", "eval-1", "--json").out)["done"] == 1
    assert "eval-1 is cancelled." in run("--url", api.url, "eval", "cancel", "eval-1").out
