"""Who is answered by which version: a hash, so that it is decided in microseconds and the same each time.

The canary takes the users with the smallest numbers, the control arm as many with the largest ones. Both only grow
while the share does, so whoever has met a version stays with it.
"""

import hashlib

from adapters.rollouts.plan import Arm

_RANGE = float(1 << 64)


def drawn(rollout: str, salt: str, unit: str) -> tuple[float, str]:
    """Return a unit's number in [0, 1), and what is kept of the unit, from which nobody can tell who it is.

    The number is the first 8 bytes of a SHA-256, as a share of their range; what is kept are the 16 after them.
    """
    digest = hashlib.sha256(f"{rollout}|{salt}|{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _RANGE, digest[8:24].hex()


def arm_of(number: float, share: float) -> Arm:
    """Return the arm of a unit with this number while `share` of the users are in the canary."""
    if number < share:
        return Arm.CANARY
    if number >= 1 - share:
        return Arm.CONTROL
    return Arm.PRODUCTION
