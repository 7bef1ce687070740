"""The journal of calls: each is written down before it is sent. Owns the rows; must never know how one is sent.

A call that a person approved is written in the very transactions that claim and finish its approval, which wait
for the disk. Any other is committed before it is sent without waiting for the disk: its row survives a kill of
the server, and a power cut may take the last ones.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, case, delete, insert, select, update

from actions.approval import arguments_hash
from actions.call import CALL_TRANSITIONS, Call, CallState, Intent
from actions.result import ActionResult
from actions.tables import calls as table
from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import ConversationId, PersonaId, PrincipalId, new_id

_OPEN = (CallState.INTENDED, CallState.SENT)
_GIVEN_UP = case((table.c.state == CallState.SENT, CallState.UNKNOWN), else_=CallState.DROPPED)
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first, and whether there are older ones."""

    calls: tuple[Call, ...]
    more: bool


class Journal:
    """The calls of one server. Blocking.

    Args:
        keep_arguments: keep the arguments themselves, not only their hash.
    """

    def __init__(self, database: Database, clock: Clock, *, keep_arguments: bool = False) -> None:
        self._database = database
        self._clock = clock
        self._keep_arguments = keep_arguments

    def intend(self, intent: Intent) -> str:
        """Write down a call that needs no approval, and return its id.

        Raises:
            Unavailable: it cannot be written down, so it must not be made.
        """
        call_id = new_id("call")
        with self._database.write(durable=False) as connection:
            connection.execute(insert(table).values(self._row(call_id, intent, CallState.INTENDED)))
        return call_id

    def sent(self, call_id: str, attempt: int = 1) -> None:
        """Note that the call goes out now, for the `attempt`th time.

        Raises:
            Unavailable: that cannot be written down, so it must not go out.
            Conflict: the call was given up meanwhile, so it must not go out either.
        """
        with self._database.write(durable=False) as connection:
            fields = {"attempts": attempt} | ({"sent_at": self._clock()} if attempt == 1 else {})
            if not self._move(connection, call_id, CallState.SENT, **fields):
                raise Conflict(
                    "The call was given up meanwhile, and not sent. Make it again.", code="call_given_up"
                )

    def finish(self, call_id: str, result: ActionResult) -> None:
        """Note what came of a call."""
        with self._database.write(durable=False) as connection:
            self.finished(connection, call_id, result)

    def abandon(self, call_id: str) -> None:
        """Note that nobody waits for the call any more: unknown if it was sent, else dropped."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                update(table)
                .where(table.c.id == call_id, table.c.state.in_(_OPEN))
                .values(state=_GIVEN_UP, finished_at=self._clock())
            )

    def claimed(self, connection: Connection, call_id: str, intent: Intent) -> None:
        """Write an approved call as sent, in the transaction that claims its approval."""
        row = self._row(call_id, intent, CallState.SENT)
        connection.execute(insert(table).values(row | {"sent_at": row["created_at"], "attempts": 1}))

    def finished(self, connection: Connection, call_id: str, result: ActionResult) -> None:
        """Note what came of a call, in the caller's transaction."""
        state = CallState.DONE if result.ok else CallState.FAILED
        if not result.certain:
            state = CallState.UNKNOWN
        self._move(connection, call_id, state, status=result.status, finished_at=self._clock())

    def mark_interrupted(self) -> int:
        """Give up on calls that an earlier server left open, at the start of the only one; say how many."""
        with self._database.write() as connection:
            statement = update(table).where(table.c.state.in_(_OPEN))
            return connection.execute(statement.values(state=_GIVEN_UP, finished_at=self._clock())).rowcount

    def list(
        self,
        *,
        limit: int,
        after: str | None = None,
        persona: str | None = None,
        state: CallState | None = None,
        approval: str | None = None,
        personas: Collection[PersonaId] | None = None,
    ) -> CallPage:
        """Return the newest calls, or those older than the call `after`.

        Args:
            limit: so many at most.
            after: id of a call.
            persona: of this persona alone.
            state: in this state alone.
            approval: of this approval alone.
            personas: of these personas alone.

        Raises:
            NotFound: there is no call `after`.
        """
        query = select(table).order_by(table.c.seq.desc()).limit(limit + 1)
        for column, wanted in ((table.c.persona, persona), (table.c.state, state), (table.c.approval, approval)):
            if wanted is not None:
                query = query.where(column == wanted)
        if personas is not None:
            query = query.where(table.c.persona.in_(personas))
        with self._database.read() as connection:
            if after is not None:
                place = connection.execute(select(table.c.seq).where(table.c.id == after)).scalar_one_or_none()
                if place is None:
                    raise NotFound(f"There is no call {after!r}.", code="call_not_found")
                query = query.where(table.c.seq < place)
            rows = connection.execute(query).all()
        return CallPage(tuple(_call(row) for row in rows[:limit]), len(rows) > limit)

    def personas(self) -> Sequence[PersonaId]:
        """Return the personas that have made calls."""
        with self._database.read() as connection:
            return [PersonaId(row[0]) for row in connection.execute(select(table.c.persona).distinct())]

    def forget(
        self,
        conversations: Iterable[str],
        principal: PrincipalId | None = None,
        *,
        personas: Collection[PersonaId] | None = None,
        blanked: Callable[[Connection], None] = nothing,
    ) -> int:
        """Blank arguments and their hashes of the calls of these conversations; say how many.

        The rows stay, so that it is known who called what.

        Args:
            conversations: their ids.
            principal: whose calls alone are meant.
            personas: the personas whose calls alone are meant.
            blanked: called in the same transaction if anything was blanked: the bytes are still in the file.
        """
        said = update(table).where(table.c.arguments_hash != "", table.c.state.not_in(_OPEN))
        if principal is not None:
            said = said.where(table.c.principal == principal)
        if personas is not None:
            said = said.where(table.c.persona.in_(personas))
        said = said.values(arguments=None, arguments_hash="")
        with self._database.write() as connection:
            count = sum(
                connection.execute(said.where(table.c.conversation == one)).rowcount for one in conversations
            )
            if count:
                blanked(connection)
        return count

    def prune(self, before: float) -> int:
        """Delete calls that are over and were written before a time; say how many."""
        count = 0
        old = select(table.c.seq).where(table.c.created_at < before, table.c.state.not_in(_OPEN)).limit(_BATCH)
        while True:
            with self._database.write() as connection:  # small ones, so that no call waits long for the lock
                gone = connection.execute(delete(table).where(table.c.seq.in_(old))).rowcount
            count += gone
            if gone < _BATCH:
                return count

    def _row(self, call_id: str, intent: Intent, state: CallState) -> dict[str, object]:
        kept = json.dumps(intent.arguments, ensure_ascii=False) if self._keep_arguments else None
        return {
            "id": call_id,
            "principal": intent.principal,
            "persona": intent.persona,
            "revision": intent.revision,
            "conversation": intent.conversation,
            "operation": intent.operation,
            "target": intent.target,
            "arguments_hash": arguments_hash(intent.arguments),
            "arguments": kept,
            "approval": intent.approval,
            "decided_by": intent.decided_by,
            "state": state,
            "attempts": 0,
            "created_at": self._clock(),
        }

    def _move(self, connection: Connection, call_id: str, to: CallState, **fields: float | str | None) -> bool:
        sources = [state for state, targets in CALL_TRANSITIONS.items() if to in targets]
        statement = update(table).where(table.c.id == call_id, table.c.state.in_(sources))
        return connection.execute(statement.values(state=to, **fields)).rowcount > 0


def _call(row: Row[tuple[object, ...]]) -> Call:
    return Call(
        id=row.id,
        principal=PrincipalId(row.principal),
        persona=PersonaId(row.persona),
        revision=row.revision,
        conversation=ConversationId(row.conversation),
        operation=row.operation,
        target=row.target,
        arguments_hash=row.arguments_hash,
        arguments=None if row.arguments is None else json.loads(row.arguments),
        approval=row.approval,
        decided_by=row.decided_by,
        state=CallState(row.state),
        attempts=row.attempts,
        status=row.status,
        created_at=row.created_at,
        sent_at=row.sent_at,
        finished_at=row.finished_at,
    )
