import json
from pathlib import Path

from core.clock import system_clock
from core.database import Database
from core.ids import PersonaId
from core.principal import Scope
from server.keys.store import Keys
from tests.cli.conftest import Run


def test_a_key_made_on_the_command_line_opens_the_door(run: Run, data_dir: Path) -> None:
    made = run("key", "create", "bot", "--scope", "chat", "--scope", "approve", "--persona", "scrum-coach")
    assert made.code == 0
    database = Database(data_dir / "repertory.db")
    key = Keys(database, system_clock).find(made.out.strip())
    database.close()
    assert key is not None
    assert key.scopes == {Scope.CHAT, Scope.APPROVE}
    assert key.personas == frozenset({PersonaId("scrum-coach")})


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


def test_revoking_an_unknown_key_is_one_sentence_and_exit_code_1(run: Run) -> None:
    outcome = run("key", "revoke", "nobody")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: No key is named 'nobody'.")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_an_unknown_scope_is_a_usage_error(run: Run) -> None:
    assert run("key", "create", "bot", "--scope", "everything").code == 2
