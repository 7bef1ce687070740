"""What goes with the arguments of one call: in whose name, under which key, until when, and who is told."""

from dataclasses import dataclass

from actions.delivery import Sending, unwatched
from core.ids import PrincipalId


@dataclass(frozen=True, slots=True)
class Order:
    """The circumstances of one call.

    Attributes:
        caller: whom templates of fixed arguments name.
        principal: whose account at the service is used, where the secret is one of each caller's.
        idempotency_key: the same for every try of this call, and for no other call.
        until: monotonic time at which it must have ended.
        sending: told before each attempt; what it raises keeps the call from being sent.
    """

    caller: PrincipalId | None = None
    principal: PrincipalId | None = None
    idempotency_key: str | None = None
    until: float | None = None
    sending: Sending = unwatched
