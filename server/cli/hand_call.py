"""A call that the operator makes by hand: written down in the data directory's journal like any other.

Needs no running server. One that starts in the middle takes the call for one that an earlier server had left open:
if it has not gone out yet, it no longer does; if it has, what comes of it is written down at its end all the same.
"""

from functools import partial

import anyio

from actions import ActionResult, Intent, Journal
from actions.json_value import JsonObject
from core.errors import RepertoryError
from core.ids import ConversationId, PersonaId, PrincipalId, new_id
from server.cli.persona_actions import PersonaActions

OPERATOR = PrincipalId("operator")
"""Whoever has the data directory in hand: no key, so no caller of the server is ever called so."""


async def make(
    read: PersonaActions, caller: PrincipalId, name: str, arguments: JsonObject, journal: Journal
) -> ActionResult:
    """Make a checked call and return what came of it.

    Args:
        read: the persona's actions.
        caller: whom templates of fixed arguments name.
        name: of the operation.
        arguments: as they were checked.
        journal: where it is written down before it is sent.

    Raises:
        Unavailable: it cannot be written down, so it was not made.
        RepertoryError: it could not be made; the journal says so.
    """
    actions = read.actions.for_caller(caller)
    try:
        call_id = await anyio.to_thread.run_sync(journal.intend, _intent(read, name, arguments))
        sending = partial(anyio.to_thread.run_sync, journal.sent, call_id)
        try:
            result = await actions.call(name, arguments, idempotency_key=call_id, sending=sending)
        except RepertoryError as error:
            result = ActionResult(error.message, None, ok=False)
            await anyio.to_thread.run_sync(journal.finish, call_id, result)
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(journal.abandon, call_id)
            raise
        await anyio.to_thread.run_sync(journal.finish, call_id, result)
        return result
    finally:
        await actions.aclose()


def _intent(read: PersonaActions, name: str, arguments: JsonObject) -> Intent:
    operation = read.actions.get(name)
    return Intent(
        principal=OPERATOR,
        persona=PersonaId(read.persona),
        revision=read.revision,
        conversation=ConversationId(new_id("hand")),
        operation=operation.name,
        target=operation.target,
        arguments=arguments,
        decided_by=OPERATOR if operation.consequential else None,  # asked at the terminal, or said --yes
    )
