"""Connectors as a persona has them, against a service on loopback."""

import json
from pathlib import Path
from typing import Any

import anyio

from actions import ActionConfig, ActionResult, ActionSet, NetworkGrants, Pauses, Secrets, secret_of
from actions.json_value import JsonObject
from core.ids import PersonaId

EVENING = 1_780_000_000.0  # 2026-05-28T20:26:40Z


ONCE = Pauses(attempts=1)


def connected(
    connector: str, url: str, token: str | None, *, pauses: Pauses = ONCE, **fields: object
) -> ActionSet:
    """Return what a persona may call with `token` at the service at `url`, by default without a second try."""
    host = url.removeprefix("http://").partition("/")[0]
    secret = {"secret": "mine"} if token is not None else {}
    given = {"value": token or "unused-0", "hosts": [host]}
    return ActionSet.load(
        [ActionConfig.model_validate({"connector": connector, "server": url, **secret, **fields})],
        root=Path.cwd(),
        grants=NetworkGrants.parse([host]),
        secrets=Secrets({"mine": secret_of(given)}),
        persona=PersonaId("tester"),
        clock=lambda: EVENING,
        pauses=pauses,
    )


def call(actions: ActionSet, name: str, arguments: JsonObject, *, key: str | None = None) -> ActionResult:
    """Make a call with checked arguments."""
    checked = actions.validate(name, json.dumps(arguments))
    return anyio.run(lambda: actions.call(name, checked, idempotency_key=key))


def told(actions: ActionSet, operation: str, /, **arguments: Any) -> Any:
    """Make a call that is carried out, and return what the model is told, as JSON."""
    result = call(actions, operation, arguments)
    assert result.ok, result.text
    return json.loads(result.text)


def refused(actions: ActionSet, operation: str, /, **arguments: Any) -> tuple[int | None, Any]:
    """Make a call that is surely not carried out, and return its status and what the service says."""
    result = call(actions, operation, arguments)
    assert not result.ok
    assert result.certain
    return result.status, json.loads(result.text.partition("\n")[2])


def alone(connector: str, **fields: object) -> ActionSet:
    """Return what a persona may call, where nothing is called."""
    return ActionSet.load(
        [ActionConfig.model_validate({"connector": connector, **fields})],
        root=Path.cwd(),
        grants=NetworkGrants(),
        secrets=Secrets.none(),
        persona=PersonaId("tester"),
    )
