"""A version of an adapter: its states, and the one table of how they follow each other."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import Conflict, InvalidRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class VersionState(StrEnum):
    """How far a version has come."""

    TRAINED = "trained"
    EVALUATED = "evaluated"
    CANDIDATE = "candidate"
    """The gate has let it pass."""
    APPROVED = "approved"
    """A person beside its author, or the persona's own word, has let it go to users."""
    REJECTED = "rejected"
    SHADOW = "shadow"
    CANARY = "canary"
    PRODUCTION = "production"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"


class Road(StrEnum):
    """What a transition asks for."""

    STEP = "step"
    """The ordinary way, through the gate."""
    APPROVAL = "approval"
    """Someone other than the author says so, or the gate where the personas say `promotion: automatic`."""
    OVERRIDE = "override"
    """Past the gate: someone with the right says why."""
    RESTORE = "restore"
    """Back into production, when its successor is rolled back; as `use` it asks for an override."""


_S = VersionState

TRANSITIONS: dict[tuple[VersionState, VersionState], Road] = {
    (_S.TRAINED, _S.EVALUATED): Road.STEP,
    (_S.EVALUATED, _S.CANDIDATE): Road.STEP,
    (_S.EVALUATED, _S.REJECTED): Road.STEP,
    (_S.CANDIDATE, _S.APPROVED): Road.APPROVAL,
    (_S.APPROVED, _S.SHADOW): Road.STEP,
    (_S.APPROVED, _S.CANARY): Road.STEP,
    (_S.APPROVED, _S.PRODUCTION): Road.STEP,
    (_S.SHADOW, _S.CANARY): Road.STEP,
    (_S.CANARY, _S.PRODUCTION): Road.STEP,
    (_S.PRODUCTION, _S.RETIRED): Road.STEP,
    (_S.SHADOW, _S.ROLLED_BACK): Road.STEP,
    (_S.CANARY, _S.ROLLED_BACK): Road.STEP,
    (_S.PRODUCTION, _S.ROLLED_BACK): Road.STEP,
    (_S.TRAINED, _S.APPROVED): Road.OVERRIDE,
    (_S.EVALUATED, _S.APPROVED): Road.OVERRIDE,
    (_S.ROLLED_BACK, _S.APPROVED): Road.OVERRIDE,
    (_S.TRAINED, _S.PRODUCTION): Road.OVERRIDE,
    (_S.EVALUATED, _S.PRODUCTION): Road.OVERRIDE,
    (_S.CANDIDATE, _S.PRODUCTION): Road.OVERRIDE,
    (_S.ROLLED_BACK, _S.PRODUCTION): Road.OVERRIDE,
    (_S.RETIRED, _S.PRODUCTION): Road.RESTORE,
}
"""Every transition there is; a rejected version never comes back.

Who made each one, when, why, and whether past the gate is a line of the record (`States.history`).
"""


class TransitionRefused(Conflict):
    """A version's state does not allow this."""

    code = "transition_refused"


def check_name(name: str) -> str:
    """Return `name` if an adapter may be called so.

    Raises:
        InvalidRequest: it may not.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name!r} is no adapter name. Use up to 64 lower-case letters, digits and hyphens, starting "
            "with a "
            "letter or digit.",
            code="adapter_name_invalid",
            param="name",
        )
    return name


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a version comes from, as far as its files do not say it.

    Attributes:
        parent: the version that it follows, if any.
        job: the fine-tuning job that made it.
        training_file: the examples, as whoever asked for the job calls them: a file, or a version of a data set.
        validation_file: those that it was measured on.
    """

    parent: int | None = None
    job: str | None = None
    training_file: str | None = None
    validation_file: str | None = None


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One immutable version of an adapter.

    Attributes:
        name: the adapter's name.
        version: its number, from 1.
        path: folder of its files.
        rank: highest rank of its matrices.
        state: how far it has come.
        digest: hash of what it computes; a folder with the same digest is the same version.
        base_fingerprint: the base that it belongs to.
        template_hash: the chat template that it is served with.
        created_at: when it was registered, in seconds since the epoch.
        warnings: what the import let pass but could not prove.
    """

    name: str
    version: int
    path: Path
    rank: int
    state: VersionState
    digest: str
    base_fingerprint: str
    template_hash: str
    created_at: float
    warnings: tuple[str, ...] = ()

    @property
    def engine_name(self) -> str:
        """The engine's word for this version, such as `scrum-coach@3`."""
        return f"{self.name}@{self.version}"
