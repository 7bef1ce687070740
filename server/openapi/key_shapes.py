"""Answers about keys and what they have used."""

from typing import Literal

from pydantic import Field

from core.principal import Scope
from server.openapi.shape import Shape


class LimitsShown(Shape):
    """What a key may use; null is without limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    requests_per_day: int | None
    tokens_per_day: int | None


class KeyShown(Shape):
    """A key, without its secret."""

    name: str
    scopes: list[Scope]
    personas: list[str] | None
    limits: LimitsShown
    created_at: float
    revoked_at: float | None


class KeyMade(KeyShown):
    """A new key; this answer alone has its secret."""

    secret: str


class KeyRevoked(KeyShown):
    """A revoked key, and the names of the secrets whose services did not take the tokens of its holder back."""

    tokens_left: list[str]


class KeyList(Shape):
    """All keys, revoked ones included."""

    object: Literal["list"]
    data: list[KeyShown]


class CountsShown(Shape):
    """Requests and tokens."""

    requests: int
    errors: int
    abandoned: int
    refused: int
    estimated: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class UsageLine(CountsShown):
    """The counts of one group; only what is grouped by is there."""

    key: str = ""
    persona: str = ""
    day: str = ""


class UsageReport(Shape):
    """What keys have used; days are days of UTC."""

    object: Literal["list"]
    from_: str = Field(alias="from")
    to: str
    data: list[UsageLine]
    total: CountsShown
