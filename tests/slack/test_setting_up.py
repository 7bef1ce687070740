"""Set-up: the manifest, `check`, the file of apps, and the program as a child of the gateway."""

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from core.errors import Conflict, InvalidRequest
from core.principal import Scope
from integrations.slack.check import Finding, look
from integrations.slack.config import Setup, SlackApp
from integrations.slack.manifest import SCOPES, as_yaml, manifest
from server.settings import Settings
from server.slack import KEY_NAME, SlackChild, key_of, setup_of
from tests.cli.conftest import Run as Command
from tests.cli.conftest import data_dir as data_dir
from tests.cli.conftest import run as command_line
from tests.fakes.slack import APP_TOKEN, BOT_TOKEN, BOT_USER, GENERAL, HELP, FakeSlack
from tests.server.conftest import Gateway
from tests.slack.conftest import finished, until

pytestmark = pytest.mark.anyio
command = command_line


async def _found(setup: Setup) -> dict[str, Finding]:
    return {one.what: one async for one in look(setup)}


async def test_check_finds_everything_in_order(setup: Setup) -> None:
    found = await _found(setup)
    assert [one.words for one in found.values() if not one.good] == []
    assert found["app 'slack', bot token 1"].words == f"{BOT_USER} in T0FAKE0001 Fake"
    assert found[f"guide in {HELP}"].good


async def test_check_names_what_is_missing_and_what_to_do(setup: Setup, slack: FakeSlack) -> None:
    slack.scopes.discard("files:read")
    slack.members.discard(HELP)
    slack.revoked.add(APP_TOKEN)
    bad = {what: one.words for what, one in (await _found(setup)).items() if not one.good}
    assert bad["app 'slack', bot token 1, scopes"] == "missing: files:read; add them and install the app again"
    assert "is the app invited?" in bad[f"guide in {HELP}"]
    assert "invalid_auth" in bad["app 'slack', app token"]
    slack.revoked.add(BOT_TOKEN)
    assert "token_revoked" in (await _found(setup))["app 'slack', bot token 1"].words


def test_the_manifest_asks_for_what_the_program_uses_and_no_more() -> None:
    document: Any = yaml.safe_load(as_yaml(manifest("Scrum coach", "Helps.", ["How long?"] * 9)))
    assert document["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert document["settings"]["socket_mode_enabled"] is True
    assert len(document["features"]["assistant_view"]["suggested_prompts"]) == 4
    by_http: Any = manifest("Scrum coach", "", url="https://example.com/slack/slack/events")
    assert by_http["settings"]["socket_mode_enabled"] is False
    assert by_http["settings"]["event_subscriptions"]["request_url"] == "https://example.com/slack/slack/events"


def test_a_file_of_apps_must_be_its_owners_alone_and_is_never_quoted(setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / "slack.yaml"
    path.write_text(yaml.safe_dump({"apps": [{"name": "one", "bot_tokens": ["xoxb-1"], "signing_secret": "s"}]}))
    path.chmod(0o644)
    of_file = setup.model_copy(update={"file": path, "app": None})
    with pytest.raises(InvalidRequest, match="chmod 600"):
        of_file.apps()
    path.chmod(0o600)
    assert [app.name for app in of_file.apps()] == ["one"]
    path.write_text(yaml.safe_dump({"apps": [{"name": "one", "bot_tokens": ["xoxb-secret"]}]}))
    with pytest.raises(InvalidRequest, match="give app_token") as refused:
        of_file.apps()
    assert "xoxb-secret" not in refused.value.message
    with pytest.raises(InvalidRequest, match="No Slack app is set up"):
        setup.model_copy(update={"app": None}).apps()


async def test_the_programs_key_is_made_once_and_again_where_its_file_was_lost(
    gateway: Gateway, tmp_path: Path
) -> None:
    keys = gateway.services.keys
    settings = Settings(data_dir=tmp_path / "own", _env_file=None)
    settings.data_dir.mkdir()
    first = key_of(settings, keys)
    assert key_of(settings, keys) == first
    assert os.stat(settings.slack_key_path).st_mode & 0o077 == 0  # noqa: PTH116
    settings.slack_key_path.unlink()
    second = key_of(settings, keys)
    assert second != first
    assert keys.find(first) is None
    found = keys.find(second)
    assert found is not None
    assert (found.name, set(found.scopes)) == (KEY_NAME, {Scope.CHAT, Scope.KNOWLEDGE, Scope.APPROVE})
    keys.revoke(KEY_NAME)
    with pytest.raises(Conflict, match="was revoked"):
        key_of(settings, keys)


async def test_as_a_child_of_the_gateway_it_answers_is_started_again_and_leaves_nothing(
    gateway: Gateway, slack: FakeSlack, setup: Setup, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "slack_bot_token": BOT_TOKEN,
        "slack_app_token": APP_TOKEN,
        "slack_api": setup.slack_api,
    }
    settings = Settings(data_dir=tmp_path / "child", _env_file=None, **given)
    settings.data_dir.mkdir()
    key = setup.api_key.get_secret_value()
    assert json.loads(setup_of(settings, gateway.base, key))["app"]["bot_tokens"] == [BOT_TOKEN]
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    child = SlackChild(settings, gateway.base, key)
    child.start()
    try:
        ts = slack.say(f"<@{BOT_USER}> When does the library open?")
        await until(lambda: finished(slack, GENERAL, ts), 120)
        ours = [one for one in psutil.Process().children(recursive=True) if one.pid not in before]
        lines = [" ".join(one.cmdline()) for one in ours]
        assert not any(secret in line for line in lines for secret in (BOT_TOKEN, APP_TOKEN, key))
        for one in ours:
            one.kill()
        again = slack.say(f"<@{BOT_USER}> And now?")
        await until(lambda: finished(slack, GENERAL, again), 120)
    finally:
        await child.stop()
    await until(lambda: {one.pid for one in psutil.Process().children(recursive=True)} <= before)


def test_the_command_writes_a_manifest_of_a_persona(command: Command) -> None:
    assert command("slack", "manifest", "--persona", "nobody").code == 1
    done = command("slack", "manifest", "--persona", "scrum-coach")
    assert done.code == 0
    document: Any = yaml.safe_load(done.out)
    assert document["display_information"]["name"] == "Scrum coach"


def test_an_app_without_a_way_in_is_refused() -> None:
    with pytest.raises(ValueError, match="signing_secret for HTTP"):
        SlackApp.model_validate({"bot_tokens": ["xoxb-1"]})
