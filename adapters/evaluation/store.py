"""Evaluations in the database, and their answers as they come. Blocking; must never know HTTP or the engine."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from adapters.evaluation.answer import Answer
from adapters.evaluation.evaluation import OPEN, Definition, EvalState, Evaluation
from adapters.evaluation.tables import answers, evaluations
from adapters.verdict import Outcome
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id

_FIELDS = tuple(
    column for column in evaluations.c if column.name not in ("seq", "identity", "definition", "result")
)


@dataclass(frozen=True, slots=True)
class NewEvaluation:
    """What is to be evaluated; its attributes are those of `Evaluation`."""

    definition: Definition
    persona: str
    adapter: str | None
    candidate: int | None
    current: int | None
    revision: str
    instructions: str
    world: str
    """Hash of everything else that answers depend on, such as the base model."""
    moves: bool
    by: str
    principal: Mapping[str, object]

    def identity(self, definition: bytes) -> str:
        """Return what two evaluations have in common that would ask the same of the same."""
        parts = (self.persona, self.adapter, self.candidate, self.current, self.revision, self.world)
        return hashlib.sha256(definition + orjson.dumps(parts)).hexdigest()


class Evaluations:
    """All evaluations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, new: NewEvaluation) -> Evaluation:
        """Begin an evaluation, or go on with one of the same that has not come to its end.

        One that had failed or was cancelled is then that of whoever begins it again.
        """
        definition, now = new.definition.model_dump_json(by_alias=True).encode(), self._clock()
        identity = new.identity(definition)
        same = evaluations.c.identity == identity, evaluations.c.state != EvalState.DONE
        with self._database.write() as connection:
            known = connection.execute(select(evaluations.c.id, evaluations.c.state).where(*same)).first()
            if known is not None:
                if known.state not in OPEN:
                    again = {
                        "state": EvalState.QUEUED,
                        "attempts": 0,
                        "next_at": now,
                        "error": None,
                        "finished_at": None,
                        "moves": new.moves,
                        "by": new.by,
                        "principal": dict(new.principal),
                    }
                    connection.execute(update(evaluations).where(evaluations.c.id == known.id).values(**again))
                return _read(connection, known.id)
            row = {
                "id": new_id("eval"),
                "identity": identity,
                "name": new.definition.spec.name,
                "persona": new.persona,
                "adapter": new.adapter,
                "candidate": new.candidate,
                "current": new.current,
                "revision": new.revision,
                "instructions": new.instructions,
                "definition": definition.decode(),
                "total": 0,
                "moves": new.moves,
                "by": new.by,
                "principal": dict(new.principal),
                "state": EvalState.QUEUED,
                "attempts": 0,
                "next_at": now,
                "created_at": now,
            }
            connection.execute(insert(evaluations).values(row))
            made = _read(connection, str(row["id"]))
            total = len(made.arms) * len(new.definition.tasks)
            connection.execute(update(evaluations).where(evaluations.c.id == made.id).values(total=total))
            return _read(connection, made.id)

    def get(self, evaluation_id: str) -> Evaluation:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            return _read(connection, evaluation_id)

    def list(self, limit: int = 100, adapter: str | None = None, version: int | None = None) -> list[Evaluation]:
        """Return the newest, the newest first: all, or those of an adapter or of one version."""
        wanted: list[ColumnElement[bool]] = []
        if adapter is not None:
            wanted.append(evaluations.c.adapter == adapter)
        if version is not None:
            wanted.append(evaluations.c.candidate == version)
        query = select(*_FIELDS).where(*wanted).order_by(evaluations.c.seq.desc()).limit(limit)
        with self._database.read() as connection:
            return [_evaluation(row) for row in connection.execute(query)]

    def definition(self, evaluation_id: str) -> Definition:
        """Return what is asked."""
        return Definition.model_validate_json(str(self._value(evaluation_id, evaluations.c.definition)))

    def result(self, evaluation_id: str) -> Mapping[str, Any]:
        """Return what came out.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it has not come to its end.
        """
        found = self._value(evaluation_id, evaluations.c.result)
        if found is None:
            state = self.get(evaluation_id).state.value
            raise Conflict(
                f"The evaluation {evaluation_id!r} is {state}, so there is no report. "
                f"`repertory eval show {evaluation_id}` tells how far it is.",
                code="evaluation_not_done",
            )
        result: Mapping[str, Any] = orjson.loads(str(found))
        return result

    def next(self, busy: Collection[str]) -> Evaluation | None:
        """Return the evaluation that has been due for longest and is not `busy`."""
        due = evaluations.c.state.in_(OPEN), evaluations.c.next_at <= self._clock(), evaluations.c.id.not_in(busy)
        query = select(*_FIELDS).where(*due).order_by(evaluations.c.next_at, evaluations.c.seq).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _evaluation(row)

    def is_open(self, evaluation_id: str) -> bool:
        """Tell whether it is still to be worked on."""
        return self.get(evaluation_id).state in OPEN

    def begin(self, evaluation: Evaluation) -> None:
        """Count one more attempt, before it is made."""
        self._set(evaluation.id, attempts=evaluation.attempts + 1)

    def postpone(self, evaluation: Evaluation, until: float, *, attempts: int) -> None:
        """Go on later."""
        self._set(evaluation.id, attempts=attempts, next_at=until)

    def keep(self, evaluation_id: str, asked: str, told: Mapping[str, Answer]) -> None:
        """Keep answers of an arm, or of the judge, by task; the first one to a task stays."""
        rows = [
            {"evaluation": evaluation_id, "asked": asked, "key": key, "answer": one.model_dump_json()}
            for key, one in told.items()
        ]
        with self._database.write(durable=False) as connection:  # a power cut costs the last ones, a kill none
            connection.execute(upsert(answers).on_conflict_do_nothing(), rows)

    def answers(self, evaluation_id: str) -> dict[str, dict[str, Answer]]:
        """Return what was answered so far: who was asked → task → answer."""
        found: dict[str, dict[str, Answer]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(answers).where(answers.c.evaluation == evaluation_id)):
                found.setdefault(row.asked, {})[row.key] = Answer.model_validate_json(row.answer)
        return found

    def done(self, evaluation_id: str, asked: Iterable[str]) -> int:
        """Return how many answers there are of those who are `asked`."""
        query = select(func.count()).where(answers.c.evaluation == evaluation_id, answers.c.asked.in_(list(asked)))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def finish(
        self, evaluation_id: str, result: Mapping[str, object], outcome: Outcome | None, reason: str
    ) -> None:
        """Write down what came out."""
        self._set(
            evaluation_id,
            state=EvalState.DONE,
            attempts=0,
            finished_at=self._clock(),
            error=None,
            outcome=None if outcome is None else outcome.value,
            reason=reason,
            result=orjson.dumps(result).decode(),
        )

    def fail(self, evaluation_id: str, code: str, message: str) -> None:
        """Write down why it cannot go on; begun again, it keeps its answers."""
        told = {"code": code, "message": message}
        self._set(evaluation_id, state=EvalState.FAILED, finished_at=self._clock(), error=told)

    def cancel(self, evaluation_id: str) -> Evaluation:
        """End it without a result; begun again, it keeps its answers.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it has ended.
        """
        if not self._set(evaluation_id, state=EvalState.CANCELLED, finished_at=self._clock()):
            state = self.get(evaluation_id).state.value
            raise Conflict(f"The evaluation {evaluation_id!r} is {state} already.", code="evaluation_ended")
        return self.get(evaluation_id)

    def _set(self, evaluation_id: str, **values: object) -> bool:
        mine = evaluations.c.id == evaluation_id, evaluations.c.state.in_(OPEN)
        with self._database.write() as connection:
            return bool(connection.execute(update(evaluations).where(*mine).values(**values)).rowcount)

    def _value(self, evaluation_id: str, column: ColumnElement[object]) -> object:
        with self._database.read() as connection:
            row = connection.execute(select(column).where(evaluations.c.id == evaluation_id)).one_or_none()
        if row is None:
            raise _unknown(evaluation_id)
        return row[0]


def _read(connection: Connection, evaluation_id: str) -> Evaluation:
    row = connection.execute(select(*_FIELDS).where(evaluations.c.id == evaluation_id)).one_or_none()
    if row is None:
        raise _unknown(evaluation_id)
    return _evaluation(row)


def _unknown(evaluation_id: str) -> NotFound:
    return NotFound(
        f"There is no evaluation {evaluation_id!r}. `repertory eval list` shows them.", code="evaluation_not_found"
    )


def _evaluation(row: Row[Any]) -> Evaluation:
    values = dict(row._mapping)
    outcome = values["outcome"]
    return Evaluation(
        **values | {"state": EvalState(values["state"]), "outcome": None if outcome is None else Outcome(outcome)}
    )
