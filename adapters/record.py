"""Rows of versions, their record, and the pointer to production, within a transaction that the caller opens.

Knows how they are kept, never which move is allowed: that is the table in `adapters.version`.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from adapters import tables
from adapters.store import AdapterStore
from adapters.version import AdapterVersion, VersionState
from core.clock import Clock
from core.errors import NotFound


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the record."""

    name: str
    version: int
    from_state: VersionState | None
    to_state: VersionState
    by: str
    reason: str
    override: bool
    at: float


@dataclass(frozen=True, slots=True)
class Move:
    """Who moves a version and why, and whether past the gate."""

    by: str
    reason: str = ""
    override: bool = False


MOST_VERSION = 999_999_999
"""No version has a higher number; much higher ones are none for the database either."""


class Record:
    """Reads and writes versions on a connection."""

    def __init__(self, store: AdapterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def one(self, connection: Connection, name: str, version: int) -> AdapterVersion:
        """Return one version.

        Raises:
            NotFound: there is no such version.
        """
        query = select(tables.versions).where(tables.versions.c.name == name, tables.versions.c.version == version)
        row = connection.execute(query).one_or_none() if 0 < version <= MOST_VERSION else None
        if row is None:
            raise NotFound(
                f"There is no adapter version '{name}@{version}'. `repertory adapter list` shows those there are.",
                code="adapter_version_not_found",
            )
        return self.version(row)

    def production(self, connection: Connection, name: str) -> AdapterVersion | None:
        """Return the version that answers, or None."""
        pointer = select(tables.production.c.version).where(tables.production.c.name == name)
        version = connection.execute(pointer).scalar_one_or_none()
        return None if version is None else self.one(connection, name, version)

    def highest(self, connection: Connection, name: str) -> int:
        """Return the highest number of a version that has ever answered; 0 where none has."""
        transitions = tables.transitions
        answered = select(func.max(transitions.c.version)).where(
            transitions.c.name == name, transitions.c.to_state == VersionState.PRODUCTION.value
        )
        highest: int | None = connection.execute(answered).scalar_one()
        return highest or 0

    def previous(self, connection: Connection, name: str) -> AdapterVersion | None:
        """Find, of the versions that have answered and are retired now, the one that was retired last."""
        versions, transitions = tables.versions, tables.transitions
        retired = (
            select(transitions.c.version)
            .join(
                versions,
                (versions.c.name == transitions.c.name) & (versions.c.version == transitions.c.version),
            )
            .where(
                transitions.c.name == name,
                transitions.c.to_state == VersionState.RETIRED.value,
                versions.c.state == VersionState.RETIRED.value,
            )
            .order_by(transitions.c.id.desc())
            .limit(1)
        )
        version = connection.execute(retired).scalar_one_or_none()
        return None if version is None else self.one(connection, name, version)

    def author(self, connection: Connection, version: AdapterVersion) -> str:
        """Return who registered a version, which for a trained one is who had it trained."""
        first = (
            select(tables.transitions.c.by)
            .where(tables.transitions.c.name == version.name, tables.transitions.c.version == version.version)
            .order_by(tables.transitions.c.id)
            .limit(1)
        )
        return str(connection.execute(first).scalar_one())

    def last_by(self, connection: Connection, version: AdapterVersion) -> str:
        """Return who moved a version last."""
        last = (
            select(tables.transitions.c.by)
            .where(tables.transitions.c.name == version.name, tables.transitions.c.version == version.version)
            .order_by(tables.transitions.c.id.desc())
            .limit(1)
        )
        return str(connection.execute(last).scalar_one())

    def rollout(self, connection: Connection, name: str) -> str | None:
        """Return the id of the rollout that is under way for an adapter, or None."""
        rollouts = tables.rollouts
        live = select(rollouts.c.id).where(rollouts.c.adapter == name, rollouts.c.ended_at.is_(None))
        found: str | None = connection.execute(live).scalar_one_or_none()
        return found

    def move(self, connection: Connection, current: AdapterVersion, to: VersionState, move: Move) -> None:
        """Give a version another state, and write down who did so and why."""
        here = (tables.versions.c.name == current.name) & (tables.versions.c.version == current.version)
        connection.execute(update(tables.versions).where(here).values(state=to.value))
        self.note(connection, current.name, current.version, (current.state, to), move)

    def note(
        self,
        connection: Connection,
        name: str,
        version: int,
        states: tuple[VersionState | None, VersionState],
        move: Move,
    ) -> None:
        """Write one line of the record; a version that is new comes from no state."""
        before, after = states
        row = {
            "name": name,
            "version": version,
            "from_state": None if before is None else before.value,
            "to_state": after.value,
            "by": move.by,
            "reason": move.reason,
            "override": move.override,
            "at": self._clock(),
        }
        connection.execute(insert(tables.transitions).values(row))

    def point(self, connection: Connection, target: AdapterVersion) -> None:
        """Let the pointer to production name a version."""
        row = {"name": target.name, "version": target.version, "since": self._clock()}
        pointer = upsert(tables.production).values(row)
        connection.execute(pointer.on_conflict_do_update(index_elements=["name"], set_=row))

    def version(self, row: Row[tuple[object, ...]]) -> AdapterVersion:
        """Return what a row of the table of versions holds."""
        return AdapterVersion(
            name=row.name,
            version=row.version,
            path=self._store.path(row.name, row.version),
            rank=row.rank,
            state=VersionState(row.state),
            digest=row.digest,
            base_fingerprint=row.base_fingerprint,
            template_hash=row.template_hash,
            created_at=row.created_at,
            warnings=tuple(row.warnings),
        )


def transition_of(row: Row[tuple[object, ...]]) -> Transition:
    """Return what a row of the record holds."""
    return Transition(
        name=row.name,
        version=row.version,
        from_state=None if row.from_state is None else VersionState(row.from_state),
        to_state=VersionState(row.to_state),
        by=row.by,
        reason=row.reason,
        override=row.override,
        at=row.at,
    )
