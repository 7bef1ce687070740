"""The book of questions: each is taken in once and answered by one process at a time. Blocking.

A question that is being answered is under a lease that its process renews. When the lease runs out, because
the process is gone, another takes it over and sees that it was begun before. Knows no Slack and no server.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import ColumnElement, Row, and_, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from core.clock import Clock
from integrations.slack.book import Book
from integrations.slack.question import Kind, Place, Question, State
from integrations.slack.tables import events, questions

_DAY = 86_400.0
_EVENT_DAYS, _QUESTION_DAYS = 2, 30


class Ledger:
    """The program's database.

    Args:
        book: its file may be shared by several processes.
        owner: names this process.
        lease: seconds.
    """

    def __init__(self, book: Book, clock: Clock, *, owner: str, lease: float) -> None:
        self._book = book
        self._clock = clock
        self._owner = owner
        self._lease = lease

    def take(self, event: str | None, question: Question | None) -> bool:
        """Write a delivery down, with the question in it; False if either was there before.

        Args:
            event: Slack's id of the delivery.
            question: what it asks, if it asks anything.
        """
        now = self._clock()
        with self._book.write() as connection:
            if event is not None:
                taken = connection.execute(
                    insert(events).values(id=event, seen_at=now).on_conflict_do_nothing()
                ).rowcount
                if not taken:
                    return False
            if question is None:
                return True
            row = insert(questions).values(**_row(question), created_at=now).on_conflict_do_nothing()
            return bool(connection.execute(row).rowcount)

    def claim(self, held: Collection[int] = ()) -> Question | None:
        """Take the oldest question that may be answered now; None if there is none.

        Of one thread, one question is answered at a time.

        Args:
            held: numbers of those that this process is at; their leases may run out on a busy machine.
        """
        now = self._clock()
        with self._book.write() as connection:
            open_ones = connection.execute(
                select(questions)
                .where(questions.c.state.in_((State.WAITING, State.ANSWERING)))
                .order_by(questions.c.seq)
            ).all()
            busy: set[tuple[str, ...]] = set()
            for row in open_ones:
                thread = (row.app, row.team, row.channel, row.thread)
                if thread in busy:
                    continue
                busy.add(thread)
                if row.seq in held or (row.state == State.ANSWERING and row.lease_until > now):
                    continue
                connection.execute(
                    update(questions)
                    .where(questions.c.seq == row.seq)
                    .values(
                        state=State.ANSWERING,
                        owner=self._owner,
                        lease_until=now + self._lease,
                        attempts=row.attempts + 1,
                    )
                )
                return replace(_question(row), attempts=row.attempts + 1)
        return None

    def renew(self, seq: int) -> bool:
        """Hold on to a question; False if it is no longer this process's."""
        with self._book.write(durable=False) as connection:
            return bool(
                connection.execute(
                    update(questions).where(self._mine(seq)).values(lease_until=self._clock() + self._lease)
                ).rowcount
            )

    def place(self, question: Question) -> None:
        """Note the thread that a question without one was given."""
        with self._book.write() as connection:
            moved = {"thread": question.place.thread, "ts": question.ts}
            connection.execute(update(questions).where(self._mine(question.seq)).values(moved))

    def release(self, seq: int) -> None:
        """Let another process, or the next start, take a question over at once."""
        with self._book.write() as connection:
            connection.execute(update(questions).where(self._mine(seq)).values(lease_until=0.0))

    def finish(self, seq: int, state: State = State.DONE) -> None:
        """Close a question."""
        with self._book.write() as connection:
            connection.execute(update(questions).where(self._mine(seq)).values(state=state))

    def close(self, seq: int) -> None:
        """Close a question, whoever answers it: they notice when they renew their lease."""
        with self._book.write() as connection:
            connection.execute(update(questions).where(questions.c.seq == seq).values(state=State.DONE))

    def drop(self, place: Place, ts: str) -> Question | None:
        """Close the question in a message that was deleted, whatever its state; return it."""
        with self._book.write() as connection:
            row = connection.execute(select(questions).where(_message(place, ts))).first()
            if row is None:
                return None
            connection.execute(update(questions).where(_message(place, ts)).values(state=State.DROPPED))
        return _question(row)

    def reword(self, place: Place, ts: str, text: str) -> State | None:
        """Give the question in an edited message its new words; return its state before, if they are new."""
        with self._book.write() as connection:
            row = connection.execute(select(questions).where(_message(place, ts))).first()
            if row is None or row.text == text or row.state == State.DROPPED:
                return None
            connection.execute(update(questions).where(questions.c.seq == row.seq).values(text=text))
            return State(row.state)

    def seq_of(self, place: Place, ts: str) -> int | None:
        """Return the number of the question in a message."""
        with self._book.read() as connection:
            row = connection.execute(select(questions.c.seq).where(_message(place, ts))).first()
        return None if row is None else int(row.seq)

    def tally(self) -> Mapping[str, int]:
        """Return how many questions there are in each state."""
        with self._book.read() as connection:
            states = connection.execute(select(questions.c.state)).scalars().all()
        return {state: states.count(state) for state in set(states)}

    def prune(self) -> None:
        """Forget what is old: Slack repeats a delivery within minutes."""
        now = self._clock()
        with self._book.write() as connection:
            connection.execute(delete(events).where(events.c.seen_at < now - _EVENT_DAYS * _DAY))
            old = and_(
                questions.c.state.in_((State.DONE, State.DROPPED)),
                questions.c.created_at < now - _QUESTION_DAYS * _DAY,
            )
            connection.execute(delete(questions).where(old))

    def _mine(self, seq: int) -> ColumnElement[bool]:
        return and_(questions.c.seq == seq, questions.c.owner == self._owner, questions.c.state == State.ANSWERING)


def _message(place: Place, ts: str) -> ColumnElement[bool]:
    return and_(
        questions.c.app == place.app,
        questions.c.team == place.team,
        questions.c.channel == place.channel,
        questions.c.ts == ts,
        questions.c.kind.not_in((Kind.DECIDED, Kind.EDITED, Kind.SHORTCUT)),
    )


def _row(question: Question) -> dict[str, object]:
    place = question.place
    return {
        "key": question.key,
        "app": place.app,
        "team": place.team,
        "channel": place.channel,
        "thread": place.thread,
        "ts": question.ts,
        "user": question.user,
        "text": question.text,
        "kind": question.kind,
        "persona": question.persona,
        "files": [dict(file) for file in question.files],
        "state": State.WAITING,
        "lease_until": 0.0,
        "attempts": 0,
    }


def _question(row: Row[tuple[object, ...]]) -> Question:
    return Question(
        key=row.key,
        place=Place(row.app, row.team, row.channel, row.thread),
        ts=row.ts,
        user=row.user,
        text=row.text,
        kind=Kind(row.kind),
        persona=row.persona,
        files=tuple(row.files),
        seq=row.seq,
        attempts=row.attempts,
    )
