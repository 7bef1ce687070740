"""Asking a persona what came through a hook. Knows the chat turn; must never know how the answer is told.

The same question may be asked again after a kill or a decision: it is one conversation of its own, so that a call
which was approved is made once and told, and one that waits is not filed a second time.
"""

from collections.abc import Sequence

import anyio

from actions import Approval, ApprovalState
from core.ids import ConversationId
from server.hooks.job import Job, JobState, Outcome, done, failed, principal_of
from server.services import Services
from server.turn.asking import ask
from server.turn.context import conversation_of
from server.turn.message import ChatMessage
from server.turn.record import observed
from server.turn.request import ChatRequest, RepertoryOptions


class Answering:
    """Asks personas for the worker of the hooks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, job: Job) -> Outcome:
        """Ask, and return what came of it.

        Raises:
            RepertoryError: the persona cannot be asked, or not now.
        """
        base_url = (self._services.settings.public_url or "").rstrip("/")
        principal = principal_of(job.hook, job.persona)
        asked = await ask(self._services, principal, _request(job), base_url=base_url)
        frame = await observed(asked.turn.complete, asked.record, asked.observers)
        message = frame["choices"][0].get("message", {})
        text = message.get("content") or message.get("refusal") or ""
        pending = await anyio.to_thread.run_sync(self._pending, job, asked.record.conversation)
        if pending:
            calls = [
                {"id": one.id, "operation": one.operation, "arguments": one.arguments, "effect": one.effect}
                for one in pending
            ]
            return Outcome(JobState.WAITING, {"status": "needs_approval", "answer": text, "approvals": calls})
        if not text.strip():
            return failed("empty_answer", "The model answered without a word.")
        return done(text, message.get("annotations") or [])

    def decided(self, job: Job) -> bool:
        """Tell whether a person has decided on every call of a job that waits. Blocking.

        Raises:
            ModelNotFound: the persona serves no longer, or not for this hook.
        """
        principal = principal_of(job.hook, job.persona)
        persona = self._services.personas.get(job.persona, principal)
        return not self._pending(job, conversation_of(_request(job), persona, principal))

    def _pending(self, job: Job, conversation: ConversationId) -> Sequence[Approval]:
        principal = principal_of(job.hook, job.persona)
        found = self._services.approvals.of_conversation(principal.id, job.persona, conversation)
        return [one for one in found if one.state is ApprovalState.PENDING]


def _request(job: Job) -> ChatRequest:
    return ChatRequest(
        model=job.persona,
        messages=[ChatMessage(role="user", content=job.question)],
        repertory=RepertoryOptions(conversation=job.conversation),
    )
