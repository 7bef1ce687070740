"""Making one action call: at once, or after a person's approval. The only road from a turn to the world."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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
    Intent,
    Journal,
    Offered,
    fence,
)
from actions.json_value import JsonObject
from core.errors import RepertoryError
from core.ids import PersonaId, new_id
from server.keys.gate import ANONYMOUS
from server.turn.carried import Carried
from server.turn.context import TurnContext, request_digest
from server.turn.reported import Reported
from server.turn.steps import ActionStep

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
    """Makes the calls of one turn, each written down before it is sent."""

    def __init__(self, context: TurnContext, approvals: Approvals, journal: Journal, reported: Reported) -> None:
        self._context = context
        self._actions: ActionSet = context.persona.actions.for_caller(context.principal.id)
        self._approvals = approvals
        self._journal = journal
        self._reported = reported
        # Programs without a key are one principal together: nobody's account may be lent to all of them.
        self._principal = None if context.principal.id == ANONYMOUS.id else context.principal.id
        said = [message.text for message in context.request.messages if message.role == "user"]
        self._carried = Carried(context.persona.spec.instructions, said)

    def show(self, texts: Sequence[str]) -> None:
        """Note what of documents the model is shown: a call that carries it waits for a person."""
        for text in texts:
            self._carried.show(text)

    def waits(self, name: str, arguments: JsonObject) -> bool:
        """Tell whether a person must see the call before it is made."""
        operation = self._actions.get(name)
        if operation.consequential or operation.judged:
            return operation.consequential
        return self._carried.found_in(arguments, operation.server)

    async def call(self, name: str, arguments: JsonObject) -> CallOutcome:
        """Make a checked call, or file it for approval if a person must see it."""
        shown = orjson.dumps(arguments).decode()
        if (ask := await self.connect_first(name)) is not None:
            self._context.steps.append(ActionStep(name, shown, "connect"))
            return CallOutcome("", ask)
        if not self.waits(name, arguments):
            self._context.steps.begins(name, shown)
            result = await self._at_once(name, arguments)
            if not result.ok and (ask := await self.connect_first(name)) is not None:  # it ended just now
                self._context.steps.append(ActionStep(name, shown, "connect"))
                return CallOutcome("", ask)
            self._carried.show(result.text, self._actions.get(name).server)
            self._context.steps.append(ActionStep(name, shown, "done" if result.ok else "failed"))
            return CallOutcome(fence(result.text))
        approval = await anyio.to_thread.run_sync(self._file, name, arguments)
        if approval.state is not ApprovalState.PENDING:  # decided meanwhile, in this very conversation
            text = await self.carry_out(approval)
            approval = await anyio.to_thread.run_sync(self._approvals.get, approval.id)
            self._context.steps.append(step_of(approval))
            return CallOutcome(text)
        self._context.steps.append(step_of(approval))
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

    async def _at_once(self, name: str, arguments: JsonObject) -> ActionResult:
        """Make a call that nobody need approve."""
        intent = self._intent(self._actions.get(name), arguments)
        try:
            call_id = await anyio.to_thread.run_sync(self._journal.intend, intent)
        except RepertoryError as error:
            return self._not_made(name, error)
        try:
            result = await self._send(name, arguments, call_id, until=self._context.until)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._journal.abandon, call_id)
            raise
        try:
            await anyio.to_thread.run_sync(self._journal.finish, call_id, result)
        except RepertoryError as error:  # the call is made; the next start finds it open and says so
            _LOG.error("what came of the call %r was not written down: %s", call_id, error.code)
        return result

    async def carry_out(self, approval: Approval) -> str:
        """Make an approved call exactly once and return the text for the model.

        Once it is claimed the call is finished even if the client leaves, so that its result is known.
        """
        arguments = approval.final_arguments
        try:
            operation = self._actions.get(approval.operation)
            effect = self._actions.effect(approval.operation, arguments)
        except ArgumentsInvalid:
            return CHANGED
        call_id, intent = new_id("call"), self._intent(operation, arguments, approval)

        def claim() -> bool:
            written = partial(self._journal.claimed, call_id=call_id, intent=intent)
            return self._approvals.claim(approval.id, effect=effect, claimed=written)

        if not await anyio.to_thread.run_sync(claim):
            return UNCLEAR if approval.final_effect == effect else CHANGED
        with anyio.CancelScope(shield=True):
            self._context.steps.begins(approval.operation, orjson.dumps(arguments).decode())
            result = await self._send(approval.operation, arguments, call_id, key=approval.id)

            def finish() -> None:
                written = partial(self._journal.finished, call_id=call_id, result=result)
                self._approvals.finish(approval.id, result, finished=written)

            await anyio.to_thread.run_sync(finish)
        self._carried.show(result.text, operation.server)
        return edited_note(approval) + fence(result.text)

    def _intent(self, operation: Offered, arguments: JsonObject, approval: Approval | None = None) -> Intent:
        context = self._context
        return Intent(
            principal=context.principal.id,
            persona=PersonaId(context.persona.id),
            revision=context.persona.revision,
            conversation=context.conversation,
            operation=operation.name,
            target=operation.target,
            arguments=arguments,
            approval=approval.id if approval else None,
            decided_by=approval.decided_by if approval else None,
        )

    async def _send(
        self,
        name: str,
        arguments: JsonObject,
        call_id: str,
        *,
        key: str | None = None,
        until: float | None = None,
    ) -> ActionResult:
        """Send, under the id of its approval, or else of the call itself, as the key of repeated tries."""

        async def sending(attempt: int) -> None:
            if key is None or attempt > 1:  # the claim of an approved call has written its first attempt down
                await anyio.to_thread.run_sync(self._journal.sent, call_id, attempt)

        begun = time.monotonic()
        try:
            result = await self._actions.call(
                name,
                arguments,
                idempotency_key=key or call_id,
                principal=self._principal,
                until=until,
                sending=sending,
            )
        except RepertoryError as error:
            result = self._not_made(name, error)
        self._context.record.called(name, "done" if result.ok else "failed", time.monotonic() - begun)
        return result

    def _not_made(self, name: str, error: RepertoryError) -> ActionResult:
        _LOG.error("action %r of persona %r failed: %s", name, self._context.persona.id, error.code)
        return ActionResult(f"The call was not made: {error.message}", None, ok=False)


def step_of(approval: Approval) -> ActionStep:
    """Return the step that an approval stands for."""
    shown = orjson.dumps(approval.final_arguments).decode()
    return ActionStep(approval.operation, shown, approval.state.value, approval.id)


def edited_note(approval: Approval) -> str:
    """Return what the model is told where a person changed the arguments; else nothing."""
    if approval.edited is None:
        return ""
    arguments = orjson.dumps(approval.edited.arguments).decode()
    return f"The person who approved the call changed its arguments to {arguments}.\n"


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
