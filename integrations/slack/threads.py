"""What is remembered of threads: who answers there, their files, and which messages are answers. Blocking."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.dialects.sqlite import insert

from core.clock import Clock
from integrations.slack.book import Book
from integrations.slack.question import Place, Question, Thread
from integrations.slack.tables import replies, threads


class Threads:
    """The conversations of one database."""

    def __init__(self, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    def find(self, place: Place) -> Thread | None:
        """Return what is remembered of a thread."""
        with self._book.read() as connection:
            row = connection.execute(select(threads).where(_thread(place))).first()
        return None if row is None else Thread(row.persona, row.store, row.files, bool(row.quiet))

    def with_file(self, app: str, team: str, file: str) -> Sequence[tuple[Place, Thread]]:
        """Return the threads that a file of Slack's was given to."""
        query = select(threads).where(threads.c.app == app, threads.c.team == team, threads.c.store.is_not(None))
        with self._book.read() as connection:
            rows = connection.execute(query).all()
        return [
            (
                Place(row.app, row.team, row.channel, row.thread),
                Thread(row.persona, row.store, row.files, bool(row.quiet)),
            )
            for row in rows
            if file in row.files
        ]

    def remember(self, place: Place, thread: Thread) -> None:
        """Remember a thread."""
        key = {"app": place.app, "team": place.team, "channel": place.channel, "thread": place.thread}
        rest = {
            "persona": thread.persona,
            "store": thread.store,
            "files": dict(thread.files),
            "quiet": int(thread.quiet),
            "used_at": self._clock(),
        }
        with self._book.write() as connection:
            statement = insert(threads).values(key | rest)
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=rest))

    def answered_by(self, question: Question, ts: str) -> None:
        """Note a message that answers a question."""
        with self._book.write() as connection:
            place = question.place
            row = {"team": place.team, "channel": place.channel, "ts": ts, "question": question.seq}
            connection.execute(insert(replies).values(row).on_conflict_do_nothing())

    def replies_to(self, seq: int) -> Sequence[str]:
        """Return the messages that answer a question, the oldest first."""
        query = select(replies.c.ts).where(replies.c.question == seq).order_by(replies.c.ts)
        with self._book.read() as connection:
            return [str(ts) for ts in connection.execute(query).scalars()]

    def known_replies(self, place: Place) -> frozenset[str]:
        """Return every message in a channel that is noted as an answer."""
        query = select(replies.c.ts).where(replies.c.team == place.team, replies.c.channel == place.channel)
        with self._book.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def forget_reply(self, place: Place, ts: str) -> None:
        """Forget a message that was deleted."""
        with self._book.write() as connection:
            connection.execute(
                delete(replies).where(
                    replies.c.team == place.team, replies.c.channel == place.channel, replies.c.ts == ts
                )
            )


def _thread(place: Place) -> ColumnElement[bool]:
    return and_(
        threads.c.app == place.app,
        threads.c.team == place.team,
        threads.c.channel == place.channel,
        threads.c.thread == place.thread,
    )
