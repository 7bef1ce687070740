"""What a move of a version asks of whoever makes it: an approval by someone else, an override with a reason."""

from adapters.version import TRANSITIONS, AdapterVersion, Road, TransitionRefused, VersionState
from core.errors import Conflict, PermissionDenied

COMMAND_LINE = "command line"
"""Author of what was taken in on the server's own machine, where the first admin key lies open, too."""

_LOCAL = frozenset({COMMAND_LINE, "key:admin"})


def check_approval(version: AdapterVersion, author: str, by: str, *, override: bool, reason: str) -> bool:
    """Return whether approving `version` goes past the gate, or past the second pair of eyes.

    Raises:
        PermissionDenied: it does, and no override with a reason was given.
        TransitionRefused: its state never allows it.
    """
    road = TRANSITIONS.get((version.state, VersionState.APPROVED))
    if road is None:
        raise refused(version, VersionState.APPROVED)
    if road is Road.OVERRIDE:
        _check_override(version, override=override, reason=reason)
        return True
    if not _same_hand(author, by):
        return False
    if not (override and reason.strip()):
        raise PermissionDenied(
            f"{version.engine_name!r} was made by {by!r}. Let someone else approve it, with a key of their own; "
            "or override and say why.",
            code="approval_by_author",
        )
    return True


def check_promotion(version: AdapterVersion, *, override: bool, reason: str) -> bool:
    """Return whether letting `version` answer goes past the gate.

    Raises:
        PermissionDenied: it does, and no override with a reason was given.
        TransitionRefused: its state never allows it.
    """
    if version.state is VersionState.PRODUCTION:
        return False
    road = TRANSITIONS.get((version.state, VersionState.PRODUCTION))
    if road is None:
        raise refused(version, VersionState.PRODUCTION)
    past_gate = road is not Road.STEP
    if past_gate:
        _check_override(version, override=override, reason=reason)
    return past_gate


def _check_override(version: AdapterVersion, *, override: bool, reason: str) -> None:
    if override and reason.strip():
        return
    missing = {
        VersionState.CANDIDATE: "nobody has approved it. Let someone approve it",
        VersionState.ROLLED_BACK: "it was rolled back. Train a better one",
        VersionState.RETIRED: "another one has followed it. Roll that one back",
    }.get(version.state, "no evaluation has let it pass. Evaluate it")
    raise PermissionDenied(
        f"{version.engine_name!r} is {version.state.value!r}: {missing}, or override the gate and say why.",
        code="override_needed",
    )


def _same_hand(author: str, by: str) -> bool:
    return by == author or {author, by} <= _LOCAL


def under_way(name: str, rollout: str) -> Conflict:
    """Return the refusal of a change that a rollout stands in the way of."""
    return Conflict(
        f"The rollout {rollout} of {name!r} is under way. Go on with `repertory rollout advance {rollout}`, or "
        f"end it with `repertory rollout stop {rollout}`.",
        code="rollout_under_way",
    )


def refused(version: AdapterVersion, to: VersionState) -> TransitionRefused:
    """Return the refusal of a move that the table does not have."""
    allowed = [
        after.value
        for (before, after), road in TRANSITIONS.items()
        if before is version.state and road in (Road.STEP, Road.APPROVAL)
    ]
    following = " or ".join(allowed) if allowed else "nothing"
    return TransitionRefused(
        f"{version.engine_name!r} is {version.state.value!r} and cannot become {to.value!r}; {following} "
        "can follow."
    )
