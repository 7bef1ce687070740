"""What was seen of rollouts, in the database: turns, exposures and outcomes. Blocking.

Holds ids, words for faults and times; no text, and no user's name.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.sqlite import insert

from adapters import tables
from adapters.rollouts.course import Course, Outcome, Turn
from adapters.rollouts.plan import Arm
from adapters.rollouts.rollout import Rollout
from adapters.rollouts.tally import Fault
from core.clock import Clock
from core.database import Database
from core.errors import NotFound

_turns, _outcomes = tables.rollout_turns, tables.rollout_outcomes


class Observations:
    """Turns and outcomes of all rollouts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, turns: Sequence[Turn]) -> None:
        """Keep turns, and who was met for the first time; what is kept already stays as it is."""
        if not turns:
            return
        rows = [
            {
                "rollout": turn.rollout,
                "response": turn.response,
                "arm": turn.arm.value,
                "unit": turn.unit,
                "stage": turn.stage,
                "fault": turn.fault.value,
                "seconds": turn.seconds,
                "similarity": turn.similarity,
                "at": turn.at,
            }
            for turn in turns
        ]
        met = [
            {"rollout": turn.rollout, "unit": turn.unit, "arm": turn.arm.value, "at": turn.at}
            for turn in turns
            if turn.exposes
        ]
        with self._database.write() as connection:
            connection.execute(insert(_turns).on_conflict_do_nothing(), rows)
            if met:
                connection.execute(insert(tables.rollout_units).on_conflict_do_nothing(), met)

    def tell(self, rollout: str, response: str, *, good: bool | None, unsafe: bool, by: str) -> Outcome | None:
        """Keep what was said of an answer, once; None if something was said of it before.

        Raises:
            NotFound: no such answer was given in this rollout, or it was not compared.
        """
        query = select(_turns).where(
            _turns.c.rollout == rollout,
            _turns.c.response == response,
            _turns.c.arm.in_([Arm.CANARY.value, Arm.CONTROL.value]),
        )
        row = {"rollout": rollout, "response": response, "good": good, "unsafe": unsafe, "by": by}
        with self._database.write() as connection:
            turn = connection.execute(query).first()
            if turn is None:
                raise NotFound(
                    f"The answer {response!r} is none of those that rollout {rollout} compares. Outcomes belong "
                    "to answers of its canary and control arms.",
                    code="response_not_found",
                )
            said = insert(_outcomes).values(**row, at=self._clock()).on_conflict_do_nothing()
            if not connection.execute(said).rowcount:
                return None
        return _outcome(turn, good, unsafe)

    def course(self, rollout: Rollout) -> Course:
        """Return what a rollout has come to, from the beginning."""
        course = Course(rollout.plan)
        with self._database.read() as connection:
            for row in connection.execute(
                select(_turns).where(_turns.c.rollout == rollout.id).order_by(_turns.c.seq)
            ):
                course.add_turn(_turn(row))
            for outcome in _outcomes_of(connection, rollout.id):
                course.add_outcome(outcome)
        return course

    def prune(self, before: float) -> None:
        """Delete the turns of rollouts that ended before; their steps stay."""
        rollouts = tables.rollouts
        old = select(rollouts.c.id).where(rollouts.c.ended_at < before)
        with self._database.write() as connection:
            for table in (_turns, _outcomes, tables.rollout_units):
                connection.execute(delete(table).where(table.c.rollout.in_(old)))


def _outcomes_of(connection: Connection, rollout: str) -> list[Outcome]:
    query = (
        select(_turns, _outcomes.c.good, _outcomes.c.unsafe)
        .join(_turns, (_turns.c.rollout == _outcomes.c.rollout) & (_turns.c.response == _outcomes.c.response))
        .where(_outcomes.c.rollout == rollout, _turns.c.arm != Arm.SHADOW.value)
        .order_by(_outcomes.c.seq)
    )
    return [_outcome(row, row.good, row.unsafe) for row in connection.execute(query)]


def _outcome(row: Row[Any], good: bool | None, unsafe: bool) -> Outcome:
    return Outcome(row.response, Arm(row.arm), row.unit, _turn(row).exposes, good, unsafe)


def _turn(row: Row[Any]) -> Turn:
    return Turn(
        rollout=row.rollout,
        response=row.response,
        arm=Arm(row.arm),
        unit=row.unit,
        stage=row.stage,
        fault=Fault(row.fault),
        seconds=row.seconds,
        at=row.at,
        similarity=row.similarity,
    )
