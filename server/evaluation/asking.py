"""Asking one question of an evaluation, through the same turn as `/v1/chat/completions`.

Knows the chat turn; must never know graders. What is asked leaves no transcript and counts in no metric of
users; it counts as use of whoever evaluates.
"""

import time
from collections.abc import Mapping, Sequence

import anyio
import orjson

from actions import ApprovalState, Decision
from adapters.evaluation import Answer, Arm, Call, EvalSpec, Evaluation, Source, Task
from core.errors import Conflict, InvalidRequest, PermissionDenied
from core.principal import Principal
from server.engine_port import Frame, Who
from server.evaluation.evaluating import Likelihood
from server.evaluation.principals import principal_of
from server.evaluation.requests import persona_of, request_of
from server.services import Services
from server.turn.asking import Asked, ask
from server.turn.record import observed
from server.turn.version import BASE_PIN, version_for


class Asking:
    """Asks personas for the worker of evaluations.

    Args:
        services: of the server.
        likelihood: asks the engine how likely a text is; None where nothing can.
    """

    def __init__(self, services: Services, likelihood: Likelihood | None) -> None:
        self._services = services
        self._likelihood = likelihood

    async def ask(self, evaluation: Evaluation, spec: EvalSpec, arm: Arm, task: Task) -> Answer:
        """Return the answer of an arm to a task.

        Raises:
            RepertoryError: it cannot be asked, or not now.
            PermissionDenied: the key of whoever began it is gone.
            Conflict: the persona has changed since the evaluation began.
        """
        principal, pin = principal_of(evaluation), _pin(evaluation, arm)
        if self._services.keys.live.is_gone(principal.id):
            raise PermissionDenied(
                f"The key of {evaluation.by!r} was revoked. Begin the evaluation again with another one.",
                code="key_revoked",
            )
        persona = persona_of(spec, arm)
        if task.case.likelihood is not None:
            return await self._weigh(persona, principal, pin, task.case.likelihood)
        request = request_of(spec, arm, task, evaluation.id)
        base_url = (self._services.settings.public_url or "").rstrip("/")
        started = time.monotonic()
        asked = await ask(self._services, principal, request, base_url=base_url, pin=pin)
        if persona == evaluation.persona and asked.record.revision != evaluation.revision:
            raise Conflict(
                f"The persona {persona!r} has changed since the evaluation began. Start it again.",
                code="persona_changed",
            )
        frame = await observed(asked.turn.complete, asked.record, (asked.admission,))
        seconds = time.monotonic() - started
        calls = await anyio.to_thread.run_sync(self._withdrawn, asked, principal)
        return _answer(frame, seconds, calls)

    def _withdrawn(self, asked: Asked, principal: Principal) -> list[Call]:
        """Deny what the persona would have done had a person approved: nobody is to decide on a test's calls."""
        approvals, record = self._services.approvals, asked.record
        found = approvals.of_conversation(principal.id, record.persona, record.conversation)
        for one in found:
            if one.state is ApprovalState.PENDING:
                approvals.decide(one.id, Decision.DENY, principal)
        return [Call(name=step.action, arguments=_object(step.arguments)) for step in asked.context.steps]

    async def _weigh(self, persona: str, principal: Principal, pin: str, texts: Sequence[str]) -> Answer:
        if self._likelihood is None:
            raise InvalidRequest(
                "This server cannot ask its engine how likely a text is. Leave sets with `likelihood` out.",
                code="likelihood_unavailable",
            )
        found = self._services.personas.get(persona, principal)
        who = Who(None, f"weighing-{persona}")  # no rollout is asked: the version is pinned
        pinned = await version_for(found, principal, self._services.releases, pin, who)
        model = pinned.engine_name if pinned else self._services.engine.base_model
        told = [await self._likelihood(model, text) for text in texts]
        if len(told) == 1:
            return Answer(value=sum(told[0]) / len(told[0]) if told[0] else None)
        return Answer(value=sum(told[0]) - sum(told[1]))


def _pin(evaluation: Evaluation, arm: Arm) -> str:
    version = {Arm.CURRENT: evaluation.current, Arm.CANDIDATE: evaluation.candidate}.get(arm)
    return BASE_PIN if version is None else str(version)


def _answer(frame: Frame, seconds: float, calls: Sequence[Call]) -> Answer:
    choice = frame["choices"][0]
    message, usage = choice.get("message", {}), frame.get("usage")
    theirs = [one.get("function", {}) for one in message.get("tool_calls") or []]
    return Answer(
        text=message.get("content") or message.get("refusal") or "",
        calls=(
            *calls,
            *(Call(name=one.get("name", ""), arguments=_object(one.get("arguments", ""))) for one in theirs),
        ),
        sources=tuple(Source.model_validate(one) for one in _sources(frame.get("repertory"))),
        finish=choice["finish_reason"] or "stop",
        seconds=round(seconds, 4),
        tokens=usage["completion_tokens"] if usage else 0,
    )


def _sources(block: Mapping[str, object] | None) -> Sequence[object]:
    found = (block or {}).get("sources")
    return found if isinstance(found, list) else ()


def _object(text: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
