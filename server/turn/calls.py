"""Making one action call: at once, or after a person's approval. The only road from a turn to the world."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import orjson

from actions import (
    ActionResult,
    ActionSet,
    Approval,
    Approvals,
    ApprovalState,
    ArgumentsInvalid,
    Connect,
    ConnectionNeeded,
    fence,
)
from actions.json_value import JsonObject
from core.errors import RepertoryError
from core.ids import PersonaId
from server.keys.gate import ANONYMOUS
from server.turn.context import ActionStep, TurnContext, request_digest
from server.turn.reported import Reported

_LOG = logging.getLogger(__name__)

START_PATH = "/api/oauth/start"
"""Where a browser begins to connect an account."""

DENIED = "The call was not made: the person who decides about it denied it."
EXPIRED = "The call was not made: nobody decided about it in time."
CHANGED = "The call was not made: what it would do has changed since it was approved. Ask for it again."
UNCLEAR = (
    "The call was sent, but it is not known whether it took effect. Do not make it again; a person must look."
)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of a call: a text for the model, or what a person must do first.

    Attributes:
        ask: the whole answer, where the call waits for approval or for an account.
    """

    text: str
    ask: str | None = None


class Caller:
    """Makes the calls of one turn."""

    def __init__(self, context: TurnContext, approvals: Approvals, reported: Reported) -> None:
        self._context = context
        self._actions: ActionSet = context.persona.actions.for_caller(context.principal.id)
        self._approvals = approvals
        self._reported = reported
        # Programs without a key are one principal together: nobody's account may be lent to all of them.
        self._principal = None if context.principal.id == ANONYMOUS.id else context.principal.id

    async def call(self, name: str, arguments: JsonObject) -> CallOutcome:
        """Make a checked call, or file it for approval if it is consequential."""
        shown = orjson.dumps(arguments).decode()
        if (ask := await self.connect_first(name)) is not None:
            self._context.steps.append(ActionStep(name, shown, "connect"))
            return CallOutcome("", ask)
        if not self._actions.get(name).consequential:
            result = await self._send(name, arguments, None)
            if not result.ok and (ask := await self.connect_first(name)) is not None:  # it ended just now
                self._context.steps.append(ActionStep(name, shown, "connect"))
                return CallOutcome("", ask)
            self._context.steps.append(ActionStep(name, shown, "done" if result.ok else "failed"))
            return CallOutcome(fence(result.text))
        approval = await anyio.to_thread.run_sync(self._file, name, arguments)
        if approval.state is not ApprovalState.PENDING:  # decided meanwhile, in this very conversation
            text = await self.carry_out(approval)
            approval = await anyio.to_thread.run_sync(self._approvals.get, approval.id)
            self._context.steps.append(ActionStep(name, shown, approval.state.value, approval.id))
            return CallOutcome(text)
        self._context.steps.append(ActionStep(name, shown, approval.state.value, approval.id))
        return CallOutcome("", pending_text(approval))

    async def connect_first(self, name: str) -> str | None:
        """Return what the caller must do before the operation can be called; None where nothing is missing."""
        try:
            connect = await self._actions.connect_first(name, self._principal)
        except ConnectionNeeded as error:
            return error.message
        if connect is None:
            return None
        host = urlsplit(self._actions.get(name).server).hostname or connect.secret
        return connect_text(connect, host, self._context.base_url)

    def _file(self, name: str, arguments: JsonObject) -> Approval:
        context = self._context
        approval = self._approvals.request(
            context.principal.id,
            PersonaId(context.persona.id),
            context.conversation,
            name,
            arguments,
            self._actions.effect(name, arguments),
        )
        self._reported.filed(approval.id, request_digest(context.request))
        return approval

    async def carry_out(self, approval: Approval) -> str:
        """Make an approved call exactly once and return the text for the model.

        Once it is claimed the call is finished even if the client leaves, so that its result is known.
        """
        try:
            effect = self._actions.effect(approval.operation, approval.arguments)
        except ArgumentsInvalid:
            return CHANGED
        claimed = await anyio.to_thread.run_sync(lambda: self._approvals.claim(approval.id, effect=effect))
        if not claimed:
            return UNCLEAR if approval.effect == effect else CHANGED
        with anyio.CancelScope(shield=True):
            result = await self._send(approval.operation, approval.arguments, approval.id)
            await anyio.to_thread.run_sync(self._approvals.finish, approval.id, result)
        return fence(result.text)

    async def _send(self, name: str, arguments: JsonObject, key: str | None) -> ActionResult:
        begun = time.monotonic()
        result = await self._sent(name, arguments, key)
        self._context.record.called(name, "done" if result.ok else "failed", time.monotonic() - begun)
        return result

    async def _sent(self, name: str, arguments: JsonObject, key: str | None) -> ActionResult:
        try:
            return await self._actions.call(name, arguments, idempotency_key=key, principal=self._principal)
        except RepertoryError as error:
            _LOG.error("action %r of persona %r failed: %s", name, self._context.persona.id, error.code)
            return ActionResult(f"The call was not made: {error.message}", None, ok=False)


def pending_text(approval: Approval) -> str:
    """Return the answer that names a call which waits for a person."""
    arguments = orjson.dumps(approval.arguments).decode()
    return (
        f"This needs a person's approval before it is done:\n\n{approval.operation} {arguments}\n\n"
        f"Approval id: {approval.id}. Once it is decided, send the conversation again and I go on."
    )


def connect_text(connect: Connect, host: str, base_url: str) -> str:
    """Return the answer that asks the caller to connect an account."""
    minutes = max(1, round((connect.expires_at - connect.created_at) / 60))
    return (
        f"For this I need your account at {host}. Open this link, sign in and allow it; it works once, within "
        f"{minutes} minutes:\n\n{base_url}{START_PATH}?connect={connect.id}\n\n"
        "Then send the conversation again and I go on."
    )


def waiting_note(approvals: Sequence[Approval], answer: str | None) -> str:
    """Return what goes before an answer while calls still wait; empty without any that `answer` does not name."""
    return "".join(
        f"Note: {one.operation} {orjson.dumps(one.arguments).decode()} still waits for a person's approval "
        f"(approval id: {one.id}).\n\n"
        for one in approvals
        if one.id not in (answer or "")
    )
