"""Which version of an adapter answers: states, the pointer to production, and who moved them why."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from adapters import tables
from adapters.store import AdapterStore
from adapters.version import TRANSITIONS, AdapterVersion, Road, TransitionRefused, VersionState
from core.clock import Clock
from core.database import Database
from core.errors import NotFound, PermissionDenied


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


class Rollout:
    """Moves versions through their states; every move is one transaction and one line of the record."""

    def __init__(self, database: Database, store: AdapterStore, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    def get(self, name: str, version: int) -> AdapterVersion:
        """Return one version.

        Raises:
            NotFound: there is no such version.
        """
        with self._database.read() as connection:
            return self._one(connection, name, version)

    def path(self, name: str, version: int) -> Path:
        """Return the folder of a version."""
        return self._store.path(name, version)

    def production(self, name: str) -> AdapterVersion | None:
        """Return the version that answers, or None."""
        with self._database.read() as connection:
            return self._production(connection, name)

    def previous(self, name: str) -> AdapterVersion | None:
        """Return the version that a rollback would go back to, or None."""
        with self._database.read() as connection:
            return self._previous(connection, name)

    def history(self, name: str) -> list[Transition]:
        """Return the record of one adapter, oldest first."""
        query = (
            select(tables.transitions).where(tables.transitions.c.name == name).order_by(tables.transitions.c.id)
        )
        with self._database.read() as connection:
            return [_transition(row) for row in connection.execute(query)]

    def transition(self, name: str, version: int, to: VersionState, *, by: str, reason: str) -> AdapterVersion:
        """Take a version one ordinary step further.

        Raises:
            NotFound: there is no such version.
            TransitionRefused: its state does not allow it.
        """
        if to is VersionState.PRODUCTION:
            return self.promote(name, version, by=by, reason=reason)
        with self._database.write() as connection:
            current = self._one(connection, name, version)
            if TRANSITIONS.get((current.state, to)) is not Road.STEP:
                raise _refused(current, to)
            if current.state is VersionState.PRODUCTION:
                raise TransitionRefused(
                    f"{current.engine_name!r} answers users now. Promote another version, or roll it back.",
                    code="version_in_production",
                )
            self._move(connection, current, to, by=by, reason=reason)
            return self._one(connection, name, version)

    def promote(
        self, name: str, version: int, *, by: str, reason: str = "", override: bool = False
    ) -> AdapterVersion:
        """Let a version answer; the one that answered until now is retired. Answers already: nothing happens.

        Args:
            name: the adapter.
            version: the version that is to answer.
            by: who asks for it.
            reason: why; an override needs one.
            override: whether a version may pass that the gate has not let through.

        Raises:
            NotFound: there is no such version.
            PermissionDenied: it needs an override with a reason.
            TransitionRefused: it was rejected.
        """
        with self._database.write() as connection:
            target, current = self._one(connection, name, version), self._production(connection, name)
            if current == target:
                return target
            past_gate = check_promotion(target, override=override, reason=reason)
            if current is not None:
                self._move(
                    connection,
                    current,
                    VersionState.RETIRED,
                    by=by,
                    reason=f"followed by {target.engine_name}",
                )
            self._move(connection, target, VersionState.PRODUCTION, by=by, reason=reason, override=past_gate)
            self._point(connection, target)
            return self._one(connection, name, version)

    def rollback(self, name: str, *, by: str, reason: str = "") -> AdapterVersion:
        """Let the version answer that answered before this one; return it.

        Raises:
            NotFound: no version of `name` answers.
            TransitionRefused: none answered before.
        """
        with self._database.write() as connection:
            current, target = self._production(connection, name), self._previous(connection, name)
            if current is None:
                raise NotFound(f"No version of {name!r} is in production.", code="adapter_not_in_production")
            if target is None:
                raise TransitionRefused(
                    f"No version of {name!r} answered before {current.engine_name!r}. Promote another one.",
                    code="no_previous_version",
                )
            self._move(connection, current, VersionState.ROLLED_BACK, by=by, reason=reason)
            restored = f"{current.engine_name} rolled back"
            self._move(connection, target, VersionState.PRODUCTION, by=by, reason=restored)
            self._point(connection, target)
            return self._one(connection, name, target.version)

    def _production(self, connection: Connection, name: str) -> AdapterVersion | None:
        pointer = select(tables.production.c.version).where(tables.production.c.name == name)
        version = connection.execute(pointer).scalar_one_or_none()
        return None if version is None else self._one(connection, name, version)

    def _previous(self, connection: Connection, name: str) -> AdapterVersion | None:
        """Find, of the versions that are retired now, the one that was retired last."""
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
        return None if version is None else self._one(connection, name, version)

    def _move(
        self,
        connection: Connection,
        current: AdapterVersion,
        to: VersionState,
        *,
        by: str,
        reason: str,
        override: bool = False,
    ) -> None:
        here = (tables.versions.c.name == current.name) & (tables.versions.c.version == current.version)
        connection.execute(update(tables.versions).where(here).values(state=to.value))
        self._note(
            connection,
            current.name,
            current.version,
            current.state,
            to,
            by=by,
            reason=reason,
            override=override,
        )

    def _note(
        self,
        connection: Connection,
        name: str,
        version: int,
        before: VersionState | None,
        after: VersionState,
        *,
        by: str,
        reason: str,
        override: bool = False,
    ) -> None:
        row = {
            "name": name,
            "version": version,
            "from_state": None if before is None else before.value,
            "to_state": after.value,
            "by": by,
            "reason": reason,
            "override": override,
            "at": self._clock(),
        }
        connection.execute(insert(tables.transitions).values(row))

    def _point(self, connection: Connection, target: AdapterVersion) -> None:
        row = {"name": target.name, "version": target.version, "since": self._clock()}
        pointer = upsert(tables.production).values(row)
        connection.execute(pointer.on_conflict_do_update(index_elements=["name"], set_=row))

    def _one(self, connection: Connection, name: str, version: int) -> AdapterVersion:
        query = select(tables.versions).where(tables.versions.c.name == name, tables.versions.c.version == version)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(
                f"There is no adapter version '{name}@{version}'. `repertory adapter list` shows those there are.",
                code="adapter_version_not_found",
            )
        return self._version(row)

    def _version(self, row: Row[tuple[object, ...]]) -> AdapterVersion:
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


def _transition(row: Row[tuple[object, ...]]) -> Transition:
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
        raise _refused(version, VersionState.PRODUCTION)
    past_gate = road is not Road.STEP
    if past_gate and not (override and reason.strip()):
        raise PermissionDenied(
            f"{version.engine_name!r} is {version.state.value!r}: no evaluation has let it pass. Evaluate "
            "it, or "
            "override the gate and say why.",
            code="override_needed",
        )
    return past_gate


def _refused(version: AdapterVersion, to: VersionState) -> TransitionRefused:
    allowed = [
        after.value
        for (before, after), road in TRANSITIONS.items()
        if before is version.state and road is Road.STEP
    ]
    following = " or ".join(allowed) if allowed else "nothing"
    return TransitionRefused(
        f"{version.engine_name!r} is {version.state.value!r} and cannot become {to.value!r}; {following} "
        "can follow."
    )
