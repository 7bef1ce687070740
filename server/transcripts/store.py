"""Transcripts in the database: written, found, deleted. Blocking; knows no HTTP and no turn that still runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, select

from core.database import Database
from core.errors import NotFound
from server.transcripts import tables
from server.transcripts.tables import contents, turns
from server.transcripts.transcript import Selection, Texts, Transcript
from server.transcripts.upkeep import Upkeep
from server.turn.record import TurnRecord

Found = TypeVar("Found")
_MOST_USER_CHARS = 256
_META = [column for column in turns.c if column.name not in ("seq", "kept_from")]
_WITH_MARK = select(turns.c.seq, *_META, contents.c.seq.is_not(None).label("has_content")).select_from(
    turns.outerjoin(contents)
)


@dataclass(frozen=True, slots=True)
class Page:
    """Transcripts, newest first, and whether there are older ones."""

    transcripts: tuple[Transcript, ...]
    more: bool


class Transcripts:
    """The kept turns of one server."""

    def __init__(self, database: Database, upkeep: Upkeep) -> None:
        self._database = database
        self._upkeep = upkeep

    def add(self, records: Sequence[TurnRecord]) -> None:
        """Keep finished turns, all or none.

        Raises:
            Unavailable: the database is locked, or the disk is full.
        """
        with self._database.write() as connection:
            for record in records:
                seq = connection.execute(insert(turns).values(_row(record))).inserted_primary_key
                if record.content is not None and seq is not None:
                    connection.execute(insert(contents).values({"seq": seq[0], **_texts(record)}))

    def list(self, selection: Selection, *, limit: int, after: str | None = None) -> Page:
        """Return the newest of the selected turns, or those older than the turn `after`.

        Raises:
            NotFound: `after` is none of the selected turns.
        """
        query = _where(_WITH_MARK, selection).order_by(turns.c.seq.desc()).limit(limit + 1)
        with self._database.read() as connection:
            if after is not None:
                place = connection.execute(_where(select(turns.c.seq), selection).where(turns.c.id == after))
                query = query.where(turns.c.seq < _known(place.scalar_one_or_none(), after))
            rows = connection.execute(query).all()
        return Page(tuple(_transcript(row) for row in rows[:limit]), len(rows) > limit)

    def get(self, transcript_id: str, selection: Selection) -> tuple[Transcript, Texts | None]:
        """Return one of the selected turns, with its texts if they are kept.

        Raises:
            NotFound: there is none of this id, or it is not selected.
        """
        query = _where(_WITH_MARK, selection).where(turns.c.id == transcript_id)
        with self._database.read() as connection:
            row = _known(connection.execute(query).one_or_none(), transcript_id)
            said = connection.execute(select(contents).where(contents.c.seq == row.seq)).one_or_none()
        texts = None if said is None else Texts(said.messages, said.answers, said.passages, said.steps)
        return _transcript(row), texts

    def conversations(self, selection: Selection) -> tuple[str, ...]:
        """Return the conversations of the selected turns."""
        with self._database.read() as connection:
            rows = connection.execute(_where(select(turns.c.conversation).distinct(), selection))
            return tuple(str(row[0]) for row in rows)

    def delete(self, selection: Selection) -> int:
        """Delete the selected turns with their texts and note that their bytes must leave the file, too."""
        chosen = _where(select(turns.c.seq), selection)
        with self._database.write() as connection:
            connection.execute(delete(contents).where(contents.c.seq.in_(chosen)))
            count = connection.execute(delete(turns).where(turns.c.seq.in_(chosen))).rowcount
            if count:
                self.owe_erasure(connection)
        return count

    def owe_erasure(self, connection: Connection) -> None:
        """Note in the transaction that deletes that bytes must leave the file, too."""
        self._upkeep.owe(connection, tables.upkeep.c.erasure_owed)


def _where(query: Select[tuple[object, ...]], wanted: Selection) -> Select[tuple[object, ...]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.principal is not None:
        conditions.append(turns.c.principal == wanted.principal)
    if wanted.user is not None:
        conditions.append(turns.c.user == wanted.user[:_MOST_USER_CHARS])
    if wanted.conversation is not None:
        conditions.append(turns.c.conversation == wanted.conversation)
    if wanted.persona is not None:
        conditions.append(turns.c.persona == wanted.persona)
    if wanted.personas is not None:
        conditions.append(turns.c.persona.in_(wanted.personas))
    if wanted.begin is not None:
        conditions.append(turns.c.begun_at >= wanted.begin)
    if wanted.end is not None:
        conditions.append(turns.c.begun_at < wanted.end)
    return query.where(*conditions)


def _known(found: Found | None, transcript_id: str) -> Found:
    if found is None:
        raise NotFound(f"There is no transcript {transcript_id!r}.", code="transcript_not_found")
    return found


def _row(record: TurnRecord) -> dict[str, object]:
    tokens = record.tokens()
    return {
        "id": record.completion,
        "principal": record.principal,
        "user": record.user[:_MOST_USER_CHARS] if record.user else None,
        "persona": record.persona,
        "revision": record.revision,
        "adapter": record.adapter,
        "conversation": record.conversation,
        "streamed": record.streamed,
        "begun_at": record.begun_at,
        "kept_from": record.begun_at,
        "seconds": record.seconds,
        "first_token": record.first_token,
        "retrieval": record.retrieval,
        "sources": record.sources,
        "engine_calls": record.usage.calls,
        "prompt_tokens": tokens["prompt_tokens"],
        "completion_tokens": tokens["completion_tokens"],
        "cached_tokens": (tokens.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        "actions": [
            {"name": call.operation, "state": call.state, "seconds": round(call.seconds, 4)}
            for call in record.calls
        ],
        "finish": record.finish,
        "error": record.error,
        "abandoned": record.abandoned,
    }


def _texts(record: TurnRecord) -> dict[str, object]:
    content = record.content
    assert content is not None  # noqa: S101  asked by the only caller
    return {
        "messages": content.messages,
        "answers": content.texts(),
        "passages": record.sources,
        "steps": [dict(step.shown()) for step in content.steps],
    }


def _transcript(row: Row[tuple[object, ...]]) -> Transcript:
    fields = dict(row._mapping)
    del fields["seq"]
    return Transcript(**fields)
