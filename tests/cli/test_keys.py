import json
import os
import shlex
import stat
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from starlette.responses import Response

from actions import Seal, Tokens
from actions.oauth import Grant
from core.clock import system_clock
from core.database import Database
from core.ids import PersonaId, PrincipalId
from core.principal import Limits, Scope
from server.keys.store import Keys
from server.settings import ROOT, Settings
from server.usage.counts import Counts, day_of
from server.usage.ledger import Ledger
from tests.cli.conftest import Run
from tests.fakes.oauth import running_oauth


def test_a_key_made_on_the_command_line_opens_the_door(run: Run, data_dir: Path) -> None:
    made = run("key", "create", "bot", "--scope", "chat", "--scope", "approve", "--persona", "scrum-coach")
    assert made.code == 0
    database = Database(data_dir / "repertory.db")
    key = Keys(database, system_clock).find(made.out.strip())
    database.close()
    assert key is not None
    assert key.scopes == {Scope.CHAT, Scope.APPROVE}
    assert key.personas == frozenset({PersonaId("scrum-coach")})


def test_a_database_made_on_the_command_line_is_its_owners_alone(run: Run, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        run("key", "create", "bot")
    finally:
        os.umask(before)
    assert stat.S_IMODE((data_dir / "repertory.db").stat().st_mode) == 0o600


def test_an_admin_key_limited_to_personas_and_the_name_of_the_first_key_are_refused(run: Run) -> None:
    limited = run("key", "create", "boss", "--scope", "admin", "--persona", "scrum-coach")
    assert limited.code == 1
    assert "cannot be limited to personas" in limited.err
    taken = run("key", "create", "first-admin", "--scope", "admin")
    assert taken.code == 1
    assert "'first-admin' are taken" in taken.err


def test_the_secret_stands_alone_on_standard_output_so_that_a_script_can_take_it(run: Run) -> None:
    made = run("key", "create", "bot")
    assert made.out.count("\n") == 1
    assert "only time" in made.err


def test_a_list_never_shows_a_secret(run: Run) -> None:
    secret = run("key", "create", "bot").out.strip()
    for listed in (run("key", "list"), run("key", "list", "--json")):
        assert "bot" in listed.out
        assert secret not in listed.out


def test_a_revoked_key_says_so(run: Run) -> None:
    run("key", "create", "bot")
    assert run("key", "revoke", "bot").out == "Revoked 'bot'.\n"
    assert json.loads(run("key", "list", "--json").out)[0]["revoked_at"] is not None


@pytest.mark.parametrize("helps", [True, False])
def test_revoking_a_key_gives_the_accounts_of_its_holder_back_without_a_server(
    run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch, helps: bool
) -> None:
    run("key", "create", "bot")
    with running_oauth() as service:
        fields = service.fields("oauth2_authorization_code")
        secrets = data_dir / "secrets.yaml"
        secrets.write_text(yaml.safe_dump({"app": fields}))
        monkeypatch.setenv("REPERTORY_SECRETS_FILE", str(secrets))
        monkeypatch.setenv("REPERTORY_PRIVATE_HOSTS", service.host)
        if not helps:
            service.planned["/revoke"] = [Response(status_code=503), Response(status_code=503)]
        settings = Settings()
        with closing(Database(settings.database_path)) as database:
            tokens = Tokens(database, Seal(settings.oauth_keys_path), system_clock)
            grant = Grant("at-of-the-bot-0123", "rt-of-the-bot-0123", system_clock(), None, ())
            for holder in ("key:bot", "key:other"):
                app = f"{fields['client_id']} {fields['token_url']}"
                tokens.keep(PrincipalId(holder), "app", app, grant)

            outcome = run("key", "revoke", "bot")

            assert [one.principal for one in tokens.list()] == ["key:other"]
        given_back = [form["token"] for form in service.forms["/revoke"]]
    assert (outcome.code, outcome.out) == (0, "Revoked 'bot'.\n")
    assert given_back == ["rt-of-the-bot-0123", "at-of-the-bot-0123"]
    assert outcome.err == (
        "" if helps else "The service of 'app' did not take the tokens of its account back. Withdraw them there.\n"
    )


def test_revoking_an_unknown_key_is_one_sentence_and_exit_code_1(run: Run) -> None:
    outcome = run("key", "revoke", "nobody")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: No key is named 'nobody'.")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_an_unknown_scope_is_a_usage_error(run: Run) -> None:
    assert run("key", "create", "bot", "--scope", "everything").code == 2


def test_limits_are_set_changed_and_taken_away_one_by_one(run: Run, data_dir: Path) -> None:
    secret = run("key", "create", "bot", "--requests-per-minute", "60", "--tokens-per-day", "9000").out.strip()
    changed = run("key", "limit", "bot", "--requests-per-minute", "0", "--requests-per-day", "500")
    assert changed.out == "Limits of 'bot': 500 requests/day, 9000 tokens/day.\n"
    assert "500 requests/day" in run("key", "list").out
    database = Database(data_dir / "repertory.db")
    key = Keys(database, system_clock).find(secret)
    database.close()
    assert key is not None
    assert key.principal.limits == Limits(requests_per_day=500, tokens_per_day=9000)


def test_a_limit_below_nothing_is_a_usage_error_and_one_for_nobody_exit_code_1(run: Run) -> None:
    assert run("key", "create", "bot", "--tokens-per-minute", "-1").code == 2
    assert run("key", "limit", "nobody", "--tokens-per-minute", "5").code == 1


@pytest.fixture
def used(run: Run, data_dir: Path) -> None:
    run("key", "list")  # makes the database
    database = Database(data_dir / "repertory.db")
    ledger, now = Ledger(database), system_clock()
    for days, principal, persona, tokens in (
        (0, "key:bot", "plain", 7),
        (0, "key:bot", "tuned", 20),
        (1, "anonymous", "plain", 300),
        (40, "key:bot", "plain", 4000),
    ):
        counts = Counts(requests=1, prompt_tokens=tokens)
        ledger.add(day_of(now - days * 86_400), PrincipalId(principal), persona, counts)
    ledger.write()
    database.close()


@pytest.mark.usefixtures("used")
def test_usage_is_shown_by_key_persona_and_day(run: Run) -> None:
    lines = json.loads(run("usage", "--json").out)
    assert [(one["key"], one["persona"], one["prompt_tokens"]) for one in lines] == [
        ("anonymous", "plain", 300),
        ("bot", "plain", 7),
        ("bot", "tuned", 20),
    ]
    assert len(json.loads(run("usage", "--json", "--days", "60").out)) == 4
    table = run("usage", "--key", "bot", "--persona", "tuned").out
    assert "20" in table
    assert "plain" not in table


def test_no_usage_is_a_sentence(run: Run) -> None:
    assert run("usage").out == "Nothing was used in the last 30 days.\n"


def test_the_commands_in_the_document_of_keys_work_as_they_stand_there(run: Run) -> None:
    text = (ROOT / "docs" / "keys.md").read_text()
    commands = [line.partition("repertory ")[2] for line in text.splitlines() if line.startswith("$ ")]
    assert len(commands) == 9
    for command in commands:
        assert run(*shlex.split(command)).code == 0, command
