import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fakes.api import Api


def checked(run: Run) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(run("doctor", "--json").out)}


def test_this_installation_is_what_the_lock_says(run: Run) -> None:
    checks = checked(run)
    assert checks["python"]["status"] == "ok"
    assert checks["packages"]["status"] == "ok", checks["packages"]


def test_a_missing_model_fails_and_says_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPERTORY_MODELS_DIR", str(tmp_path / "none"))
    outcome = run("doctor", "--json")
    assert outcome.code == 1
    models = next(one for one in json.loads(outcome.out) if one["name"] == "models")
    assert models["status"] == "fail"
    assert "make install" in models["advice"]


def test_a_port_that_another_program_holds_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        monkeypatch.setenv("REPERTORY_PORT", str(other.getsockname()[1]))
        assert checked(run)["port"]["status"] == "fail"


def test_a_running_server_explains_the_taken_port(run: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPERTORY_PORT", api.url.rpartition(":")[2])
    api.answer("GET /livez", {"status": "ok"})
    api.answer("GET /readyz", {"error": {"message": "The engine is starting."}}, status=503)
    checks = checked(run)
    assert checks["port"]["status"] == "ok"
    assert (checks["server"]["status"], checks["server"]["found"]) == (
        "warn",
        "not ready: The engine is starting.",
    )


def test_a_silent_external_engine_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPERTORY_ENGINE_URL", "http://127.0.0.1:9")
    assert checked(run)["engine"]["status"] == "fail"


def test_people_get_a_table(run: Run) -> None:
    shown = run("doctor").out
    assert "check" in shown
    assert "python" in shown
