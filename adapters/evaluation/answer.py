"""An answer of one arm to one case, as the served persona gave it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, JsonValue


class Arm(StrEnum):
    """Who answers."""

    BASE = "base"
    """The persona without its adapter: the prompt alone."""
    CURRENT = "current"
    """The version in production."""
    CANDIDATE = "candidate"
    """The version that is evaluated."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Call(_Kept):
    """A tool call; `arguments` is None where they are no JSON object."""

    name: str
    arguments: dict[str, JsonValue] | None = None


class Source(_Kept):
    """A passage that the persona was given."""

    document: str
    title: str = ""
    cited: bool = False


class Answer(_Kept):
    """What came back.

    Attributes:
        finish: why it ended, such as `stop` or `length`.
        seconds: from the question to the whole answer.
        tokens: of the answer.
        error: code of what went wrong instead; such an answer is wrong for every grader.
        value: where a likelihood was asked for instead of an answer: its log-probability, in nats.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    sources: tuple[Source, ...] = ()
    finish: str = "stop"
    seconds: float = 0.0
    tokens: int = 0
    error: str | None = None
    value: float | None = None
