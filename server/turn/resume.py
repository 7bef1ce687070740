"""Going on after an approval: finds what a conversation waits for and what the model must be told of it.

An approval matters to a request if the last assistant message names it, or, where the client repeats its
request without that message, if its outcome was not told yet (or was told to this very request).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import orjson

from actions import Approval, Approvals, ApprovalState, fence
from core.ids import PersonaId
from server.engine_port import Message
from server.turn import prompt
from server.turn.calls import DENIED, EXPIRED, UNCLEAR, Caller, pending_text
from server.turn.context import ActionStep, TurnContext, request_digest
from server.turn.reported import Reported


@dataclass(frozen=True, slots=True)
class Resumption:
    """Either a fixed answer (still pending), or messages that tell the model the outcome."""

    fixed: str | None = None
    messages: tuple[Message, ...] = ()


class Resume:
    """Looks for the approval that a request goes on from."""

    def __init__(self, context: TurnContext, approvals: Approvals, reported: Reported, caller: Caller) -> None:
        self._context = context
        self._approvals = approvals
        self._reported = reported
        self._caller = caller
        self._digest = request_digest(context.request)

    async def look(self) -> Resumption | None:
        """Return how to go on, or None where nothing is open."""
        approval = await anyio.to_thread.run_sync(self._relevant)
        if approval is None:
            return None
        if approval.state is ApprovalState.PENDING:
            return None if self._asks_something_new() else Resumption(fixed=pending_text(approval))
        text = await self._outcome(approval)
        await anyio.to_thread.run_sync(self._reported.record, approval.id, self._digest)
        state = await anyio.to_thread.run_sync(lambda: self._approvals.get(approval.id).state.value)
        shown = orjson.dumps(approval.arguments).decode()
        self._context.steps.append(ActionStep(approval.operation, shown, state, approval.id))
        return Resumption(messages=tuple(prompt.call_result(approval.operation, approval.arguments, text)))

    async def _outcome(self, approval: Approval) -> str:
        if approval.state is ApprovalState.APPROVED:
            return await self._caller.carry_out(approval)
        if approval.state is ApprovalState.DENIED:
            return DENIED
        if approval.state is ApprovalState.EXPIRED:
            return EXPIRED
        if approval.state in (ApprovalState.DONE, ApprovalState.FAILED) and approval.result:
            return fence(approval.result.text)
        return UNCLEAR

    def _relevant(self) -> Approval | None:
        context, persona = self._context, PersonaId(self._context.persona.id)
        mine = [
            found
            for operation in context.persona.actions.operations
            if operation.consequential
            and (
                found := self._approvals.find(context.principal.id, persona, context.conversation, operation.name)
            )
        ]
        last_said = next(
            (message.text for message in reversed(self._context.request.messages) if message.role == "assistant"),
            "",
        )
        for approval in sorted(mine, key=lambda one: one.created_at, reverse=True):
            if approval.id in last_said or self._is_open(approval):
                return approval
        return None

    def _is_open(self, approval: Approval) -> bool:
        if any(approval.id in message.text for message in self._context.request.messages):
            return False  # named earlier, so answers have followed since
        told = self._reported.digest(approval.id)
        return told is None or told == self._digest

    def _asks_something_new(self) -> bool:
        roles = [message.role for message in self._context.request.messages]
        return "assistant" in roles and roles[-1] == "user"


def without_waiting_answer(messages: Sequence[Message]) -> list[Message]:
    """Drop a last assistant message: the note that a call waits, which the outcome now replaces."""
    kept = list(messages)
    while kept and kept[-1]["role"] == "assistant":
        kept.pop()
    return kept
