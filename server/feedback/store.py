"""What people think of answers: opinions beside persona revision, adapter version and sources of the answer.

An answer is known by its transcript, from which all of that is copied: so an opinion still says what it is
about when the transcript has gone. Blocking; knows no HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, delete, or_, select
from sqlalchemy.dialects.sqlite import insert

from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.ids import new_id
from core.paging import Page, Slice, page_of
from server.feedback.tables import opinions
from server.transcripts.transcript import Selection, Transcript

_COLUMNS = [column for column in opinions.c if column.name != "seq"]


class Rating(StrEnum):
    """What somebody thinks of an answer."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody said of an answer.

    Attributes:
        by: the client's word for who says so.
    """

    rating: Rating
    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which feedback is meant; what is None does not matter."""

    selection: Selection
    answer: str | None = None
    rating: Rating | None = None


class FeedbackStore:
    """All feedback of a server."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, turn: Transcript, opinion: Opinion) -> dict[str, object]:
        """Keep an opinion; a later one of the same person on the same answer takes its place.

        One that says the same without a reason leaves the reason that was given before.

        Args:
            turn: the turn that gave the answer.
            opinion: what is said of it.
        """
        said = {"rating": opinion.rating.value, "reason": opinion.reason, "created_at": self._clock()}
        about = {
            "id": new_id("fb"),
            "answer": turn.id,
            "by": opinion.by or "",
            "principal": turn.principal,
            "user": turn.user,
            "persona": turn.persona,
            "revision": turn.revision,
            "adapter": turn.adapter,
            "conversation": turn.conversation,
            "sources": list(turn.sources),
        }
        statement = insert(opinions).values(about | said)
        new = statement.excluded
        same = and_(opinions.c.rating == new.rating, new.reason.is_(None))
        changed = said | {"reason": case((same, opinions.c.reason), else_=new.reason)}
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["answer", "by"], set_=changed))
            row = connection.execute(
                select(*_COLUMNS).where(opinions.c.answer == turn.id, opinions.c.by == (opinion.by or ""))
            ).one()
        return _shown(row)

    def list(self, wanted: Wanted, part: Slice) -> Page[dict[str, object]]:
        """Return a part of the feedback.

        Raises:
            NotFound: `after` is none of it.
        """
        query = _where(select(opinions.c.seq, *_COLUMNS), wanted)
        with self._database.read() as connection:
            return page_of(connection, query, opinions.c.seq, opinions.c.id, part).of(_shown)

    def forget(self, selection: Selection, *, blanked: Callable[[Connection], None] = nothing) -> int:
        """Delete what was said in the selected turns, and what the selected user said of any.

        Args:
            selection: whose.
            blanked: called in the same transaction if anything goes.
        """
        with self._database.write() as connection:
            count = connection.execute(delete(opinions).where(*_conditions(selection, raters=True))).rowcount
            if count:
                blanked(connection)
        return count

    def prune(self, before: float) -> None:
        """Delete what is older."""
        with self._database.write() as connection:
            connection.execute(delete(opinions).where(opinions.c.created_at < before))


def _where(query: Select[tuple[object, ...]], wanted: Wanted) -> Select[tuple[object, ...]]:
    query = query.where(*_conditions(wanted.selection))
    if wanted.answer is not None:
        query = query.where(opinions.c.answer == wanted.answer)
    if wanted.rating is not None:
        query = query.where(opinions.c.rating == wanted.rating.value)
    return query


def _conditions(wanted: Selection, *, raters: bool = False) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.principal is not None:
        conditions.append(opinions.c.principal == wanted.principal)
    if wanted.user is not None:
        asked = opinions.c.user == wanted.user
        conditions.append(or_(asked, opinions.c.by == wanted.user) if raters else asked)
    if wanted.conversation is not None:
        conditions.append(opinions.c.conversation == wanted.conversation)
    if wanted.persona is not None:
        conditions.append(opinions.c.persona == wanted.persona)
    if wanted.personas is not None:
        conditions.append(opinions.c.persona.in_(wanted.personas))
    return conditions


def _shown(row: Row[tuple[object, ...]]) -> dict[str, object]:
    fields = {str(name): value for name, value in row._mapping.items() if name != "seq"}
    return {"object": "feedback", **fields, "by": fields["by"] or None}
