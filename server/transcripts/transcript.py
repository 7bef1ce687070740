"""One kept turn, and how turns are looked for. Knows no database and no HTTP."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from core.ids import ConversationId, PersonaId, PrincipalId


class Keep(StrEnum):
    """How much is kept of a turn, from nothing to its texts."""

    OFF = "off"
    METADATA = "metadata"
    CONTENT = "content"

    def at_most(self, limit: str | None) -> "Keep":
        """Return the stricter of this and `limit`; None sets no limit."""
        order = list(Keep)
        return self if limit is None else min(self, Keep(limit), key=order.index)


@dataclass(frozen=True, slots=True)
class Texts:
    """What was said in a turn.

    Attributes:
        messages: the messages of the request that came after the last answer.
        answers: the answers as they were sent; more than one only where the client asked for several.
        passages: ids of the passages that the model was given.
        steps: the action steps, with their arguments.
    """

    messages: Sequence[object]
    answers: Sequence[str]
    passages: Sequence[str]
    steps: Sequence[object]


@dataclass(frozen=True, slots=True)
class Transcript:
    """One turn.

    Attributes:
        user: the client's word for its end user.
        begun_at: seconds since the epoch.
        sources: ids of the passages in the prompt.
        actions: name, state and seconds of each action call.
        has_content: whether its texts are kept, too.
    """

    id: str
    principal: PrincipalId
    user: str | None
    persona: PersonaId
    revision: str
    adapter: str | None
    conversation: ConversationId
    streamed: bool
    begun_at: float
    seconds: float
    first_token: float | None
    retrieval: str
    sources: Sequence[str]
    engine_calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    actions: Sequence[object]
    finish: str | None
    error: str | None
    abandoned: bool
    has_content: bool

    def shown(self) -> dict[str, object]:
        """Return it for the wire."""
        return {"object": "transcript", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which turns are meant; what is None does not matter.

    Attributes:
        personas: those that the asker may see.
        begin: the first second, and `end`: the second after the last.
    """

    principal: PrincipalId | None = None
    user: str | None = None
    conversation: str | None = None
    persona: str | None = None
    personas: frozenset[PersonaId] | None = None
    begin: float | None = None
    end: float | None = None
