"""How versions move through their states, and which one answers: a move is one transaction, one line of record."""

from pathlib import Path

from sqlalchemy import Connection, select

from adapters import tables
from adapters.demands import check_approval, check_promotion, refused, under_way
from adapters.record import Move, Record, Transition, transition_of
from adapters.retirement import WHOLE, Retirement, check_not_retired, check_stays, retire, retirements
from adapters.store import AdapterStore
from adapters.version import TRANSITIONS, AdapterVersion, Road, TransitionRefused, VersionState
from core.clock import Clock
from core.database import Database
from core.errors import NotFound


class States:
    """Moves versions through their states."""

    def __init__(self, database: Database, store: AdapterStore, clock: Clock) -> None:
        self.database = self._database = database
        self._store = store
        self._clock = clock
        self.record = Record(store, clock)

    def get(self, name: str, version: int) -> AdapterVersion:
        """Return one version.

        Raises:
            NotFound: there is no such version.
        """
        with self._database.read() as connection:
            return self.record.one(connection, name, version)

    def path(self, name: str, version: int) -> Path:
        """Return the folder of a version."""
        return self._store.path(name, version)

    def production(self, name: str) -> AdapterVersion | None:
        """Return the version that answers, or None."""
        with self._database.read() as connection:
            return self.record.production(connection, name)

    def previous(self, name: str) -> AdapterVersion | None:
        """Return the version that a rollback would go back to, or None."""
        with self._database.read() as connection:
            return self.record.previous(connection, name)

    def author(self, version: AdapterVersion) -> str:
        """Return who registered a version."""
        with self._database.read() as connection:
            return self.record.author(connection, version)

    def now(self) -> float:
        """Return the time, as this registry's clock tells it."""
        return self._clock()

    def ends(self, name: str | None = None) -> list[Retirement]:
        """Return what is to be retired, or was: of one adapter, or of all."""
        with self._database.read() as connection:
            return retirements(connection, name)

    def retire(self, end: Retirement) -> Retirement:
        """Say from when on a version, or a whole adapter, answers no more; its files stay.

        Raises:
            NotFound: there is no such version.
            TransitionRefused: it is in production or on trial, and its adapter goes on.
        """
        with self._database.write() as connection:
            if end.version != WHOLE:
                target = self.record.one(connection, end.name, end.version)
                if target == self.record.production(connection, end.name):
                    raise TransitionRefused(
                        f"{target.engine_name!r} answers users now. Promote another version first, or retire the "
                        "whole adapter.",
                        code="version_in_production",
                    )
                rollout = self.record.rollout(connection, end.name)
                if rollout is not None and target.state in (VersionState.SHADOW, VersionState.CANARY):
                    raise TransitionRefused(
                        f"{target.engine_name!r} is on trial. End that first, with `repertory rollout stop "
                        f"{rollout}`.",
                        code="version_on_trial",
                    )
            else:
                self.record.one(connection, end.name, 1)
            retire(connection, end)
        return end

    def history(self, name: str) -> list[Transition]:
        """Return the record of one adapter, oldest first."""
        query = (
            select(tables.transitions).where(tables.transitions.c.name == name).order_by(tables.transitions.c.id)
        )
        with self._database.read() as connection:
            return [transition_of(row) for row in connection.execute(query)]

    def passed(self, gate: str) -> list[AdapterVersion]:
        """Return of each adapter the newest version that its gate let pass, if it is newer than all that answered.

        Args:
            gate: who approves in the gate's name; what a person has approved is that person's to release.
        """
        versions = tables.versions
        states = [VersionState.CANDIDATE.value, VersionState.APPROVED.value]
        query = select(versions).where(versions.c.state.in_(states)).order_by(versions.c.name, versions.c.version)
        newest: dict[str, AdapterVersion] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                version = self.record.version(row)
                by_gate = self.record.last_by(connection, version) == gate
                newer = version.version > self.record.highest(connection, version.name)
                if newer and (by_gate or version.state is VersionState.CANDIDATE):
                    newest[version.name] = version
        return list(newest.values())

    def transition(self, name: str, version: int, to: VersionState, *, by: str, reason: str) -> AdapterVersion:
        """Take a version one ordinary step further.

        Raises:
            NotFound: there is no such version.
            TransitionRefused: its state does not allow it.
        """
        if to is VersionState.PRODUCTION:
            return self.promote(name, version, by=by, reason=reason)
        with self._database.write() as connection:
            self.step(connection, self.record.one(connection, name, version), to, Move(by, reason))
            return self.record.one(connection, name, version)

    def step(self, connection: Connection, current: AdapterVersion, to: VersionState, move: Move) -> None:
        """Take a version one ordinary step further, in the caller's transaction.

        Raises:
            TransitionRefused: its state does not allow it.
        """
        if TRANSITIONS.get((current.state, to)) is not Road.STEP:
            raise refused(current, to)
        if current.state is VersionState.PRODUCTION:
            raise TransitionRefused(
                f"{current.engine_name!r} answers users now. Promote another version, or roll it back.",
                code="version_in_production",
            )
        self.record.move(connection, current, to, move)

    def approve(
        self, name: str, version: int, *, by: str, reason: str = "", override: bool = False
    ) -> AdapterVersion:
        """Let a version go to users, by a rollout or at once. Approved already: nothing happens.

        Args:
            name: the adapter.
            version: the version.
            by: who approves; not its author, unless `override`.
            reason: why; an override needs one.
            override: whether the gate, or the second pair of eyes, is passed over.

        Raises:
            NotFound: there is no such version.
            PermissionDenied: its author asks, or it needs an override with a reason.
            TransitionRefused: its state never allows it.
        """
        with self._database.write() as connection:
            target = self.record.one(connection, name, version)
            if target.state is VersionState.APPROVED:
                return target
            check_not_retired(connection, target, self._clock())
            author = self.record.author(connection, target)
            past_gate = check_approval(target, author, by, override=override, reason=reason)
            move = Move(by, reason or "approved", override=past_gate)
            self.record.move(connection, target, VersionState.APPROVED, move)
            return self.record.one(connection, name, version)

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
            Conflict: a rollout of this adapter is under way, or the version is to be retired.
            AdapterRetired: it was retired.
        """
        with self._database.write() as connection:
            target = self.record.one(connection, name, version)
            if self.record.production(connection, name) == target:
                return target
            if (rollout := self.record.rollout(connection, name)) is not None:
                raise under_way(name, rollout)
            past_gate = check_promotion(target, override=override, reason=reason)
            self.put_forward(connection, target, Move(by, reason, past_gate))
            return self.record.one(connection, name, version)

    def put_forward(self, connection: Connection, target: AdapterVersion, move: Move) -> None:
        """Let a version answer whose promotion has been checked, in the caller's transaction."""
        check_stays(connection, target, self._clock())
        current = self.record.production(connection, target.name)
        if current is not None:
            followed = Move(move.by, f"followed by {target.engine_name}")
            self.record.move(connection, current, VersionState.RETIRED, followed)
        self.record.move(connection, target, VersionState.PRODUCTION, move)
        self.record.point(connection, target)

    def rollback(self, name: str, *, by: str, reason: str = "") -> AdapterVersion:
        """Let the version answer that answered before this one; return it.

        Raises:
            NotFound: no version of `name` answers.
            TransitionRefused: none answered before.
            Conflict: a rollout of this adapter is under way.
        """
        with self._database.write() as connection:
            if (rollout := self.record.rollout(connection, name)) is not None:
                raise under_way(name, rollout)
            current = self.record.production(connection, name)
            target = self.record.previous(connection, name)
            if current is None:
                raise NotFound(f"No version of {name!r} is in production.", code="adapter_not_in_production")
            if target is None:
                raise TransitionRefused(
                    f"No version of {name!r} answered before {current.engine_name!r}. Promote another one.",
                    code="no_previous_version",
                )
            check_not_retired(connection, target, self._clock())
            self.record.move(connection, current, VersionState.ROLLED_BACK, Move(by, reason))
            restored = Move(by, f"{current.engine_name} rolled back")
            self.record.move(connection, target, VersionState.PRODUCTION, restored)
            self.record.point(connection, target)
            return self.record.one(connection, name, target.version)
