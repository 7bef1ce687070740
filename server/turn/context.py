"""What is fixed for one turn, pinned at its start: persona revision, adapter version, conversation."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from core.errors import InvalidRequest
from core.ids import ConversationId
from core.principal import Principal
from server.engine_port import Usage
from server.personas.loader import Persona
from server.turn.record import TurnRecord
from server.turn.request import ChatRequest
from server.turn.steps import Steps


@dataclass(frozen=True, slots=True)
class TurnContext:
    """One turn.

    Attributes:
        engine_model: the engine's name of the weights that answer, for all steps.
        conversation: what approvals hang on.
        base_url: how the client reaches the server, for citations.
        max_steps: engine calls in this turn, at most.
        until: monotonic time after which the turn makes no more action calls.
    """

    request: ChatRequest
    persona: Persona
    principal: Principal
    engine_model: str
    adapter: str | None
    conversation: ConversationId
    base_url: str
    completion_id: str
    created: int
    max_steps: int
    until: float
    record: TurnRecord
    steps: Steps = field(default_factory=Steps)

    def has_time(self) -> bool:
        """Tell whether the turn may still make action calls."""
        return time.monotonic() < self.until

    def total_usage(self) -> Usage:
        """Return the tokens of all engine calls so far."""
        return self.record.tokens()


def conversation_of(request: ChatRequest, persona: Persona, principal: Principal) -> ConversationId:
    """Return the conversation: the client's word for it, else a hash of who, with whom, and how it began.

    Both are bound to the principal, to the end user that the client names and to the persona, so that nobody
    can step into another's.
    """
    own = request.repertory.conversation
    first = next((message.text for message in request.messages if message.role == "user"), "")
    who = [principal.id, request.safety_identifier or request.user or ""]
    seed = [*who, persona.id, "named" if own else "begun", own or first]
    return ConversationId("conv-" + hashlib.sha256(orjson.dumps(seed)).hexdigest()[:32])


def request_digest(request: ChatRequest) -> str:
    """Return a digest of the messages, by which a repeated request is known."""
    messages = [message.model_dump() for message in request.messages]
    return hashlib.sha256(orjson.dumps(messages)).hexdigest()


def check_reserved(request: ChatRequest, names: Callable[[str], bool], *, has_actions: bool) -> None:
    """Keep the persona's actions out of the client's hands.

    Args:
        request: what the client sent.
        names: tells whether a name is one of the persona's actions.
        has_actions: whether the persona has any.

    Raises:
        InvalidRequest: a client tool or call has an action's name, a tool result answers no call, or
            several answers are asked of a persona with actions.
    """
    if has_actions and request.answers > 1:
        raise InvalidRequest(
            f"{request.model!r} has actions, so it gives one answer at a time. Leave n out.",
            code="unsupported_value",
            param="n",
        )
    for index, tool in enumerate(request.tools or []):
        if names(tool.function.name):
            raise _reserved(tool.function.name, f"tools[{index}].function.name")
    known: dict[str, str] = {}
    for index, message in enumerate(request.messages):
        for number, call in enumerate(message.tool_calls or []):
            if names(call.function.name):
                raise _reserved(call.function.name, f"messages[{index}].tool_calls[{number}].function.name")
            known[call.id] = call.function.name
        if message.role != "tool":
            continue
        if message.name is not None and names(message.name):
            raise _reserved(message.name, f"messages[{index}].name")
        if message.tool_call_id not in known:
            raise InvalidRequest(
                f"The tool result for {message.tool_call_id!r} answers no call of an earlier message.",
                code="invalid_value",
                param=f"messages[{index}].tool_call_id",
            )


def _reserved(name: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"{name!r} is an action of this persona; the server alone calls it and reads its results. "
        "Give the tool another name.",
        code="reserved_tool_name",
        param=param,
    )
