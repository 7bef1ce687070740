"""How hooks are signed, both ways: HMAC-SHA256 over `timestamp.content`. Pure; knows no secret's name.

The content is the body of a POST, byte for byte; of a request without body, its path.
"""

import hashlib
import hmac
from collections.abc import Sequence

from core.errors import NotAuthenticated

TIMESTAMP = "X-Repertory-Timestamp"
SIGNATURE = "X-Repertory-Signature"
DELIVERY = "X-Repertory-Delivery"
WINDOW_SECONDS = 300
_VERSION = "v1="
_DIGITS = 12


def signed(key: bytes, timestamp: int, content: bytes) -> str:
    """Return the value of the signature header."""
    return _VERSION + hmac.new(key, b"%d." % timestamp + content, hashlib.sha256).hexdigest()


def matching(
    keys: Sequence[bytes], timestamp: str | None, signature: str | None, content: bytes, now: float
) -> int:
    """Return which of the keys signed `content`. Takes the same time whichever it is.

    Args:
        keys: those that may have.
        timestamp: the header, seconds since the epoch.
        signature: the header; several signatures may stand there, comma-separated, while a secret is changed.
        content: what was signed.
        now: seconds since the epoch.

    Raises:
        NotAuthenticated: none of them, or the time is not within the window.
    """
    stamp = timestamp or ""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= _DIGITS):
        raise _refused(f"Send the time in seconds as the header {TIMESTAMP}")
    if abs(now - int(stamp)) > WINDOW_SECONDS:
        raise _refused(f"The time in {TIMESTAMP} is more than {WINDOW_SECONDS} seconds away from the server's")
    given = [one.strip().encode() for one in (signature or "").split(",")][:4]
    found = [
        number
        for number, key in enumerate(keys)
        if any([hmac.compare_digest(signed(key, int(stamp), content).encode(), one) for one in given])  # noqa: C419
    ]
    if not found:
        raise _refused("No hook of this persona has signed this")
    return found[0]


def _refused(reason: str) -> NotAuthenticated:
    return NotAuthenticated(
        f"{reason}: {SIGNATURE} is `v1=` and the HMAC-SHA256 over timestamp, a dot and the body.",
        code="invalid_signature",
    )
