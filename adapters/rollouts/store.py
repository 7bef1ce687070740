"""Rollouts in the database: a step is one transaction with the states of the versions that it moves. Blocking."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from adapters import tables
from adapters.record import Move
from adapters.retirement import check_stays
from adapters.rollouts.plan import PRODUCTION, SHADOW, STAGES, Plan, check_stage
from adapters.rollouts.rollout import Ending, Rollout, RolloutStep
from adapters.states import States
from adapters.version import VersionState
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id


class Rollouts:
    """All rollouts, at most one under way for an adapter."""

    def __init__(self, database: Database, states: States, clock: Clock) -> None:
        self._database = database
        self._states = states
        self._clock = clock

    def get(self, rollout_id: str) -> Rollout:
        """Return one rollout.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            return _one(connection, rollout_id)

    def list(self, adapter: str | None = None, *, live: bool = False) -> list[Rollout]:
        """Return rollouts, the newest first."""
        query = select(tables.rollouts).order_by(tables.rollouts.c.started_at.desc(), tables.rollouts.c.id)
        if adapter is not None:
            query = query.where(tables.rollouts.c.adapter == adapter)
        if live:
            query = query.where(tables.rollouts.c.ended_at.is_(None))
        with self._database.read() as connection:
            return [_rollout(row) for row in connection.execute(query)]

    def steps(self, rollout_id: str) -> Sequence[RolloutStep]:
        """Return what was done with a rollout, oldest first."""
        steps = tables.rollout_steps
        query = select(steps).where(steps.c.rollout == rollout_id).order_by(steps.c.id)
        with self._database.read() as connection:
            return [RolloutStep(r.did, r.stage, r.by, r.reason, r.at) for r in connection.execute(query)]

    def start(self, adapter: str, version: int, *, stage: str, plan: Plan, by: str, reason: str = "") -> Rollout:
        """Begin to try an approved version beside the one in production.

        Raises:
            NotFound: there is no such version.
            TransitionRefused: it is not approved.
            Conflict: no version is in production, a rollout of this adapter is under way, or it is to be retired.
            AdapterRetired: it was retired.
        """
        check_stage(stage)
        with self._database.write() as connection:
            record = self._states.record
            target, current = record.one(connection, adapter, version), record.production(connection, adapter)
            if (known := record.rollout(connection, adapter)) is not None:
                raise Conflict(
                    f"The rollout {known} of {adapter!r} is under way. `repertory rollout stop {known}` ends it.",
                    code="rollout_under_way",
                )
            if current is None or stage == PRODUCTION:
                raise Conflict(
                    f"There is nothing to compare {target.engine_name!r} with. Let it answer at once, with "
                    f"`repertory adapter use {adapter} {version}`.",
                    code="nothing_to_compare",
                )
            check_stays(connection, target, self._clock())
            to = VersionState.SHADOW if stage == SHADOW else VersionState.CANARY
            self._states.step(connection, target, to, Move(by, reason or f"rollout at {stage}"))
            row = {
                "id": new_id("rollout"),
                "adapter": adapter,
                "version": version,
                "baseline": current.version,
                "stage": stage,
                "paused": False,
                "salt": secrets.token_hex(8),
                "plan": plan.as_json(),
                "started_at": self._clock(),
            }
            connection.execute(insert(tables.rollouts).values(**row))
            started = _one(connection, str(row["id"]))
            self._note(connection, started, "start", by, reason)
            return started

    def advance(self, rollout_id: str, to: str, *, by: str, reason: str = "") -> Rollout:
        """Go on to a later stage; `production` ends the rollout. There already: nothing happens.

        Raises:
            NotFound: there is no such rollout.
            Conflict: it has ended, is paused, or is past that stage.
        """
        check_stage(to)
        with self._database.write() as connection:
            rollout = _one(connection, rollout_id)
            if rollout.outcome is Ending.PROMOTED and to == PRODUCTION:
                return rollout
            _check_live(rollout)
            if rollout.stage == to:
                return rollout
            if STAGES.index(to) < STAGES.index(rollout.stage):
                raise Conflict(
                    f"The rollout is at {rollout.stage!r} already: who has met the new version stays with it. "
                    "Pause or stop it to take it back.",
                    code="rollout_is_further",
                )
            if rollout.paused:
                raise Conflict(
                    f"The rollout is paused. `repertory rollout resume {rollout.id}` lets it go on.",
                    code="rollout_paused",
                )
            target = self._states.record.one(connection, rollout.adapter, rollout.version)
            if target.state is VersionState.SHADOW:
                self._states.step(connection, target, VersionState.CANARY, Move(by, reason or f"rollout at {to}"))
                target = self._states.record.one(connection, rollout.adapter, rollout.version)
            values: dict[str, Any] = {"stage": to}
            if to == PRODUCTION:
                self._states.put_forward(connection, target, Move(by, reason or "rollout finished"))
                values |= {"outcome": Ending.PROMOTED.value, "ended_at": self._clock()}
            return self._changed(connection, rollout, values, ("advance", by, reason))

    def pause(self, rollout_id: str, *, by: str, reason: str = "", paused: bool = True) -> Rollout:
        """Let production answer everyone for a while, or end that.

        Raises:
            NotFound: there is no such rollout.
            Conflict: it has ended.
        """
        with self._database.write() as connection:
            rollout = _one(connection, rollout_id)
            _check_live(rollout)
            if rollout.paused == paused:
                return rollout
            did = "pause" if paused else "resume"
            return self._changed(connection, rollout, {"paused": paused}, (did, by, reason))

    def stop(self, rollout_id: str, *, by: str, reason: str, ending: Ending = Ending.STOPPED) -> Rollout:
        """End it: the version is rolled back, and production answers everyone. Ended already: nothing happens.

        Raises:
            NotFound: there is no such rollout.
        """
        with self._database.write() as connection:
            rollout = _one(connection, rollout_id)
            if rollout.ended_at is not None:
                return rollout
            target = self._states.record.one(connection, rollout.adapter, rollout.version)
            self._states.step(connection, target, VersionState.ROLLED_BACK, Move(by, reason or "rollout stopped"))
            ended = {"outcome": ending.value, "ended_at": self._clock()}
            return self._changed(connection, rollout, ended, ("stop", by, reason))

    def _changed(
        self, connection: Connection, rollout: Rollout, values: dict[str, Any], step: tuple[str, str, str]
    ) -> Rollout:
        connection.execute(update(tables.rollouts).where(tables.rollouts.c.id == rollout.id).values(**values))
        changed = _one(connection, rollout.id)
        self._note(connection, changed, *step)
        return changed

    def _note(self, connection: Connection, rollout: Rollout, did: str, by: str, reason: str) -> None:
        row = {
            "rollout": rollout.id,
            "did": did,
            "stage": rollout.stage,
            "by": by,
            "reason": reason,
            "at": self._clock(),
        }
        connection.execute(insert(tables.rollout_steps).values(**row))


def _check_live(rollout: Rollout) -> None:
    if rollout.outcome is not None:
        raise Conflict(
            f"The rollout {rollout.id} has ended: {rollout.outcome.value}. Start another one.",
            code="rollout_ended",
        )


def _one(connection: Connection, rollout_id: str) -> Rollout:
    row = connection.execute(select(tables.rollouts).where(tables.rollouts.c.id == rollout_id)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no rollout {rollout_id!r}. `repertory rollout list` shows those there are.",
            code="rollout_not_found",
        )
    return _rollout(row)


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(
        id=row.id,
        adapter=row.adapter,
        version=row.version,
        baseline=row.baseline,
        stage=row.stage,
        paused=row.paused,
        salt=row.salt,
        plan=Plan.of(row.plan),
        outcome=None if row.outcome is None else Ending(row.outcome),
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
