"""`repertory slack run` and `check` as processes of their own, as a person starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from integrations.slack.config import Setup
from server.settings import ROOT
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, GENERAL, HELP, FakeSlack
from tests.server.conftest import Gateway, Start
from tests.server.serving import serving
from tests.slack.conftest import GUIDE, finished, until

pytestmark = pytest.mark.anyio
_COMMAND = [sys.executable, "-c", "from server.cli import app; app()", "slack"]

Command = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def environment(setup: Setup, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "REPERTORY_DATA_DIR": str(tmp_path / "own"),
        "REPERTORY_URL": setup.server,
        "REPERTORY_API_KEY": setup.api_key.get_secret_value(),
        "REPERTORY_SLACK_BOT_TOKEN": BOT_TOKEN,
        "REPERTORY_SLACK_APP_TOKEN": APP_TOKEN,
        "REPERTORY_SLACK_API": setup.slack_api,
    }


def _check(environment: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [*_COMMAND, "check"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert not any(token in done.stdout + done.stderr for token in (BOT_TOKEN, APP_TOKEN))
    return done.returncode, done.stdout, done.stderr


@contextmanager
def _run(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as out:
        process = subprocess.Popen(
            [*_COMMAND, "run"], env=environment, cwd=ROOT, stdout=out, stderr=out, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_run_answers_a_mention_and_ends_when_it_is_told_to(
    slack: FakeSlack, environment: dict[str, str], tmp_path: Path, sign: signal.Signals
) -> None:
    log = tmp_path / "run.log"
    with _run(environment, log) as process:
        ts = slack.say(f"<@{BOT_USER}> When does the library open?")
        await until(lambda: finished(slack, GENERAL, ts) or process.poll() is not None, 120)
        assert [one["text"] for one in slack.answers(GENERAL, ts)] == ["Hello from the engine."]
        family = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(sign)
        assert process.wait(60) == 0
    assert [pid for pid in family if psutil.pid_exists(pid)] == []
    await until(lambda: not slack.deliveries.sockets)
    told = log.read_text()
    assert "Slack: slack is in workspace T0FAKE0001." in told
    assert "Traceback" not in told
    assert not any(secret in told for secret in (BOT_TOKEN, APP_TOKEN, environment["REPERTORY_API_KEY"]))


def test_check_prints_what_is_right_and_ends_well(environment: dict[str, str], slack: FakeSlack) -> None:
    code, out, _ = _check(environment)
    assert (code, "BAD" in out) == (0, False)
    assert [line.split()[0] for line in out.splitlines()] == ["ok"] * 5
    assert f"ok   app 'slack', bot token 1: {BOT_USER} in T0FAKE0001 Fake" in out
    assert slack.made("chat.postMessage") == []  # it only looks


def test_check_names_a_scope_that_is_missing_and_ends_badly(environment: dict[str, str], slack: FakeSlack) -> None:
    slack.scopes.discard("files:read")
    code, out, _ = _check(environment)
    assert code == 1
    [bad] = [line for line in out.splitlines() if line.startswith("BAD")]
    assert bad == "BAD  app 'slack', bot token 1, scopes: missing: files:read; add them and install the app again"


def test_check_names_a_wrong_token_and_looks_at_the_rest(environment: dict[str, str]) -> None:
    code, out, _ = _check(environment | {"REPERTORY_SLACK_BOT_TOKEN": "xoxb-wrong"})
    assert code == 1
    assert "BAD  app 'slack', bot token 1: Slack refuses auth.test: invalid_auth." in out
    assert "ok   app 'slack', app token: opens a connection" in out
    assert "xoxb-wrong" not in out


def test_check_names_a_key_that_repertory_does_not_take_and_a_server_that_is_away(
    environment: dict[str, str], gateway: Gateway
) -> None:
    code, out, _ = _check(environment | {"REPERTORY_API_KEY": "rep-wrong"})
    assert code == 1
    assert f"BAD  Repertory at {gateway.base}: " in out
    code, out, _ = _check(environment | {"REPERTORY_URL": "http://127.0.0.1:9"})
    assert code == 1
    assert "BAD  Repertory at http://127.0.0.1:9: " in out


def test_without_an_app_it_says_what_to_set(environment: dict[str, str]) -> None:
    for name in ("REPERTORY_SLACK_BOT_TOKEN", "REPERTORY_SLACK_APP_TOKEN"):
        environment[name] = ""
        del environment[name]
    code, out, err = _check(environment)
    assert code == 1
    assert "Set REPERTORY_SLACK_BOT_TOKEN and REPERTORY_SLACK_APP_TOKEN" in out + err


class TestTheMapping:
    """Personas that are placed where nobody is."""

    @pytest.fixture
    def gateway(self, start: Start) -> Iterator[Gateway]:
        spec = yaml.safe_load(GUIDE)
        lost = {"app": "support", "workspaces": ["T0FAKE0001", "T0LOST0001"], "channels": [HELP]}
        stray = spec | {"id": "stray", "integrations": {"slack": lost}}
        away = spec | {"id": "away", "integrations": {"slack": {"channels": ["C0AWAY0001"]}}}
        files = {str(one["id"]): yaml.safe_dump(one) for one in (stray, away)}
        with serving(start({"guide": GUIDE} | files, stall_seconds=60)) as served:
            assert served.services.personas.problems == ()
            yield served

    def test_check_names_the_app_workspace_and_channel_that_do_not_exist(
        self, environment: dict[str, str]
    ) -> None:
        code, out, _ = _check(environment)
        assert code == 1
        assert [line for line in out.splitlines() if line.startswith("BAD")] == [
            "BAD  away in C0AWAY0001: channel_not_found: is the id right, and is the app invited?",
            "BAD  stray through the app 'support': there is no such app; there is slack",
            "BAD  stray in workspace T0LOST0001: no bot token opens it",
        ]
