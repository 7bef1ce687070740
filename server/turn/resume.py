"""Going on after an approval: finds what a conversation waits for and what the model must be told of it.

An approval matters to a request if one of its assistant messages names it, if the request is the one that
filed it, sent again, or if the client has named the conversation. So a conversation that merely begins with
the same words as another never meets the other's calls. Its outcome is told once, then only where the last
answer names it or the very request is repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from actions import Approval, Approvals, ApprovalState, fence
from core.ids import PersonaId
from server.engine_port import Message
from server.turn import prompt
from server.turn.calls import DENIED, EXPIRED, UNCLEAR, Caller, edited_note, pending_text, step_of
from server.turn.context import TurnContext, request_digest
from server.turn.reported import Reported


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a request goes on.

    Attributes:
        fixed: the whole answer, where all that is asked for still waits.
        messages: tell the model what became of calls.
        waiting: calls that still wait while something else is answered.
    """

    fixed: str | None = None
    messages: tuple[Message, ...] = ()
    waiting: tuple[Approval, ...] = ()


class Resume:
    """Looks for the approvals that a request goes on from."""

    def __init__(self, context: TurnContext, approvals: Approvals, reported: Reported, caller: Caller) -> None:
        self._context = context
        self._approvals = approvals
        self._reported = reported
        self._caller = caller
        self._digest = request_digest(context.request)
        said = [message.text for message in context.request.messages if message.role == "assistant"]
        self._said, self._last_said = "\n".join(said), said[-1] if said else ""

    async def look(self) -> Resumption:
        """Return how to go on; all its parts are empty where nothing is open."""
        open_ones = await anyio.to_thread.run_sync(self._open)
        waiting = [one for one in open_ones if one.state is ApprovalState.PENDING]
        decided = [one for one in open_ones if one.state is not ApprovalState.PENDING]
        if waiting and not decided and not await anyio.to_thread.run_sync(self._asks_something_new, waiting):
            return Resumption(fixed="\n\n".join(pending_text(one) for one in waiting))
        told: list[Message] = []
        approved = [one for one in decided if one.state is ApprovalState.APPROVED]
        for approval in approved:  # where the account was disconnected meanwhile, the approval stays for later
            if (ask := await self._caller.connect_first(approval.operation)) is not None:
                return Resumption(fixed=ask)
        for approval in decided:
            told += await self._told(approval)
        return Resumption(messages=tuple(told), waiting=tuple(waiting))

    async def _told(self, approval: Approval) -> list[Message]:
        text = await self._outcome(approval)
        await anyio.to_thread.run_sync(self._reported.record, approval.id, self._digest)
        self._context.steps.append(step_of(await anyio.to_thread.run_sync(self._approvals.get, approval.id)))
        return prompt.call_result(approval.operation, approval.final_arguments, text)

    async def _outcome(self, approval: Approval) -> str:
        if approval.state is ApprovalState.APPROVED:
            return await self._caller.carry_out(approval)
        if approval.state is ApprovalState.DENIED:
            return DENIED
        if approval.state is ApprovalState.EXPIRED:
            return EXPIRED
        if approval.state in (ApprovalState.DONE, ApprovalState.FAILED) and approval.result:
            return edited_note(approval) + fence(approval.result.text)
        return UNCLEAR

    def _open(self) -> list[Approval]:
        context = self._context
        mine = {one.name for one in context.persona.actions.operations}
        found = self._approvals.of_conversation(
            context.principal.id, PersonaId(context.persona.id), context.conversation
        )
        return [one for one in found if one.operation in mine and self._matters(one)]

    def _matters(self, approval: Approval) -> bool:
        if approval.id in self._last_said:
            return True
        if self._reported.digest(approval.id) not in (None, self._digest):
            return False
        return (
            approval.id in self._said
            or self._context.request.repertory.conversation is not None
            or self._reported.filing(approval.id) == self._digest
        )

    def _asks_something_new(self, waiting: Sequence[Approval]) -> bool:
        roles = [message.role for message in self._context.request.messages]
        repeated = any(self._reported.filing(one.id) == self._digest for one in waiting)
        return "assistant" in roles and roles[-1] == "user" and not repeated


def without_waiting_answer(messages: Sequence[Message]) -> list[Message]:
    """Drop a last assistant message: the note that a call waits, which the outcome now replaces."""
    kept = list(messages)
    while kept and kept[-1]["role"] == "assistant":
        kept.pop()
    return kept
