"""The store of approvals. Owns their states; must never know scopes, HTTP or how a call is sent.

A call is bound to its principal, persona, conversation, operation and exact arguments. It is decided once
and claimed once, by one conditional UPDATE each; a person may write other arguments only with the decision.
What was claimed and never reported counts as unknown.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Row, insert, literal_column, select, update

from actions.approval import LIVE, TRANSITIONS, Approval, ApprovalState, Decision, Edit, arguments_hash
from actions.json_value import JsonObject
from actions.result import ActionResult
from actions.tables import approvals as table
from core.callbacks import nothing
from core.clock import Clock
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import ConversationId, PersonaId, PrincipalId, new_id
from core.principal import Principal

DAY = 86_400.0
_AGE: ColumnElement[int] = literal_column("action_approvals.rowid")
"""Which row came first: SQLite counts up, while the clock of the wall may be set back."""

_REPORT_LIMIT_SECONDS = 300.0
_WAITING = (ApprovalState.PENDING, ApprovalState.APPROVED)
_DECIDED = {
    Decision.APPROVE: ApprovalState.APPROVED,
    Decision.DENY: ApprovalState.DENIED,
    Decision.EDIT: ApprovalState.APPROVED,
}


class Approvals:
    """Approvals in the database.

    Args:
        lifetime: seconds that a call waits for a decision, and then for being used.
    """

    def __init__(self, database: Database, clock: Clock, *, lifetime: float = DAY) -> None:
        self._database = database
        self._clock = clock
        self._lifetime = lifetime

    def request(
        self,
        principal: PrincipalId,
        persona: PersonaId,
        conversation: ConversationId,
        operation: str,
        arguments: JsonObject,
        effect: str,
    ) -> Approval:
        """Ask for approval of one exact call; while such a call is live, return that one."""
        digest = arguments_hash(arguments)
        now = self._clock()
        with self._database.write() as connection:
            self._sweep(connection, now)
            live = connection.execute(
                select(table).where(
                    table.c.principal == principal,
                    table.c.persona == persona,
                    table.c.conversation == conversation,
                    table.c.operation == operation,
                    table.c.arguments_hash == digest,
                    table.c.state.in_(LIVE),
                )
            ).first()
            if live is not None:
                return _approval(live)
            approval_id = new_id("appr")
            connection.execute(
                insert(table).values(
                    id=approval_id,
                    principal=principal,
                    persona=persona,
                    conversation=conversation,
                    operation=operation,
                    arguments=json.dumps(arguments, ensure_ascii=False),
                    arguments_hash=digest,
                    effect=effect,
                    state=ApprovalState.PENDING,
                    created_at=now,
                    expires_at=now + self._lifetime,
                )
            )
            return _read(connection, approval_id)

    def find(
        self,
        principal: PrincipalId,
        persona: PersonaId,
        conversation: ConversationId,
        operation: str,
        digest: str | None = None,
    ) -> Approval | None:
        """Return the newest approval of a call in this conversation, or of its exact arguments (`digest`)."""
        query = select(table).where(
            table.c.principal == principal,
            table.c.persona == persona,
            table.c.conversation == conversation,
            table.c.operation == operation,
        )
        if digest is not None:
            query = query.where(table.c.arguments_hash == digest)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(_AGE.desc())).first()
        return None if row is None else _as_of(_approval(row), self._clock())

    def of_conversation(
        self, principal: PrincipalId, persona: PersonaId, conversation: ConversationId
    ) -> Sequence[Approval]:
        """Return every call that was asked for in a conversation, the oldest first."""
        query = select(table).where(
            table.c.principal == principal, table.c.persona == persona, table.c.conversation == conversation
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_AGE)).all()
        return [_as_of(_approval(row), self._clock()) for row in rows]

    def get(self, approval_id: str) -> Approval:
        """Return one approval.

        Raises:
            NotFound: there is none.
        """
        with self._database.read() as connection:
            return _as_of(_read(connection, approval_id), self._clock())

    def list(self, state: ApprovalState | None = None) -> list[Approval]:
        """Return approvals, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(_AGE)).all()
        found = [_as_of(_approval(row), self._clock()) for row in rows]
        return [approval for approval in found if state is None or approval.state is state]

    def decide(self, approval_id: str, decision: Decision, by: Principal, *, edit: Edit | None = None) -> Approval:
        """Approve, deny, or edit and so approve a pending call, once.

        Whether `by` may decide, and whether edited arguments fit, is for the caller to check.

        Args:
            approval_id: the approval.
            decision: what `by` says.
            by: who decides.
            edit: for `EDIT` alone: the call as it shall be made.

        Raises:
            NotFound: there is no such approval.
            Conflict: it is no longer pending.
        """
        assert (edit is not None) is (decision is Decision.EDIT)  # noqa: S101  a mistake in our code
        now = self._clock()
        written = {} if edit is None else _edit_row(edit)
        with self._database.write() as connection:
            self._sweep(connection, now)
            done = self._move(
                connection,
                approval_id,
                _DECIDED[decision],
                decided_at=now,
                decided_by=by.id,
                expires_at=now + self._lifetime,
                **written,
            )
            approval = _read(connection, approval_id)
        if not done:
            who = f" by {approval.decided_by!r}" if approval.decided_by else ""
            raise Conflict(
                f"The approval {approval_id!r} is {approval.state.value}{who}, no longer pending. "
                "Ask for the action again to get a new one.",
                code="approval_not_pending",
            )
        return approval

    def claim(
        self,
        approval_id: str,
        *,
        effect: str | None = None,
        claimed: Callable[[Connection], None] = nothing,
    ) -> bool:
        """Take an approved call for sending; True for exactly one caller.

        Args:
            approval_id: the approval.
            effect: what the call would do now; if it is no longer what was approved, nothing is claimed.
            claimed: called in the same transaction if the call is claimed.
        """
        now = self._clock()
        with self._database.write() as connection:
            self._sweep(connection, now)
            if effect is not None and _read(connection, approval_id).final_effect != effect:
                return False
            done = self._move(connection, approval_id, ApprovalState.SENT, sent_at=now)
            if done:
                claimed(connection)
            return done

    def finish(
        self, approval_id: str, result: ActionResult, *, finished: Callable[[Connection], None] = nothing
    ) -> Approval:
        """Record what came of a claimed call.

        Args:
            approval_id: the approval.
            result: what came of it.
            finished: called in the same transaction.

        Raises:
            NotFound: there is no such approval.
            Conflict: it was not sent.
        """
        state = ApprovalState.DONE if result.ok else ApprovalState.FAILED
        if not result.certain:
            state = ApprovalState.UNKNOWN
        with self._database.write() as connection:
            done = self._move(
                connection,
                approval_id,
                state,
                finished_at=self._clock(),
                result_text=result.text,
                result_status=result.status,
                result_ok=result.ok,
            )
            approval = _read(connection, approval_id)
            if done:
                finished(connection)
        if not done:
            raise Conflict(
                f"The approval {approval_id!r} is {approval.state.value}. "
                "Only a claimed call has a result: claim it before it is sent."
            )
        return approval

    def mark_interrupted(self) -> int:
        """Mark what was sent and not reported as unknown, at the start of the only server; say how many."""
        with self._database.write() as connection:
            statement = (
                update(table)
                .where(table.c.state == ApprovalState.SENT)
                .values(state=ApprovalState.UNKNOWN, finished_at=self._clock())
            )
            return connection.execute(statement).rowcount

    def give_up(self) -> int:
        """Expire what waits and mark as unknown what was sent, after a restore; say how many.

        The backup does not know what has been done since: an approved call would be made a second time.
        """
        with self._database.write() as connection:
            expired = connection.execute(
                update(table).where(table.c.state.in_(_WAITING)).values(state=ApprovalState.EXPIRED)
            ).rowcount
            unknown = connection.execute(
                update(table)
                .where(table.c.state == ApprovalState.SENT)
                .values(state=ApprovalState.UNKNOWN, finished_at=self._clock())
            ).rowcount
        return expired + unknown

    def forget(
        self,
        conversations: Iterable[str],
        principal: PrincipalId | None = None,
        *,
        personas: Collection[PersonaId] | None = None,
        blanked: Callable[[Connection], None] | None = None,
    ) -> int:
        """Blank what the calls of these conversations said, once they are over; say how many.

        The rows stay, so that it is known who decided what. Live calls keep their arguments: deny them first.

        Args:
            conversations: their ids.
            principal: whose calls alone are meant.
            personas: the personas whose calls alone are meant.
            blanked: called in the same transaction if anything was blanked: the bytes are still in the file.
        """
        over = [state for state in ApprovalState if state not in LIVE]
        blank = {"arguments": "{}", "arguments_hash": "", "effect": "", "result_text": "(deleted)"}
        unedited = {"edited_arguments": None, "edited_effect": None}
        with self._database.write() as connection:
            self._sweep(connection, self._clock())
            said = (
                update(table).where(table.c.state.in_(over), table.c.arguments_hash != "").values(blank | unedited)
            )
            if principal is not None:
                said = said.where(table.c.principal == principal)
            if personas is not None:
                said = said.where(table.c.persona.in_(personas))
            count = sum(
                connection.execute(said.where(table.c.conversation == one)).rowcount for one in conversations
            )
            if count and blanked is not None:
                blanked(connection)
        return count

    def _move(
        self, connection: Connection, approval_id: str, to: ApprovalState, **fields: float | str | bool | None
    ) -> bool:
        sources = [state for state, targets in TRANSITIONS.items() if to in targets]
        statement = (
            update(table).where(table.c.id == approval_id, table.c.state.in_(sources)).values(state=to, **fields)
        )
        return connection.execute(statement).rowcount == 1

    def _sweep(self, connection: Connection, now: float) -> None:
        """Expire what waited too long, and give up on calls that nobody reported on."""
        connection.execute(
            update(table)
            .where(table.c.state.in_(_WAITING), table.c.expires_at <= now)
            .values(state=ApprovalState.EXPIRED)
        )
        connection.execute(
            update(table)
            .where(table.c.state == ApprovalState.SENT, table.c.sent_at <= now - _REPORT_LIMIT_SECONDS)
            .values(state=ApprovalState.UNKNOWN)
        )


def _read(connection: Connection, approval_id: str) -> Approval:
    row = connection.execute(select(table).where(table.c.id == approval_id)).first()
    if row is None:
        raise NotFound(
            f"There is no approval {approval_id!r}. `repertory approval list` shows those that there are."
        )
    return _approval(row)


def _as_of(approval: Approval, now: float) -> Approval:
    """Return the approval as `_sweep` would leave it, so that reading need not write."""
    if approval.state in _WAITING and approval.expires_at <= now:
        return replace(approval, state=ApprovalState.EXPIRED)
    sent_at = approval.sent_at
    if approval.state is ApprovalState.SENT and sent_at is not None and sent_at <= now - _REPORT_LIMIT_SECONDS:
        return replace(approval, state=ApprovalState.UNKNOWN)
    return approval


def _approval(row: Row[tuple[object, ...]]) -> Approval:
    result = None
    if row.result_text is not None:
        certain = row.state != ApprovalState.UNKNOWN
        result = ActionResult(row.result_text, row.result_status, row.result_ok, certain=certain)
    return Approval(
        id=row.id,
        principal=PrincipalId(row.principal),
        persona=PersonaId(row.persona),
        conversation=ConversationId(row.conversation),
        operation=row.operation,
        arguments=json.loads(row.arguments),
        arguments_hash=row.arguments_hash,
        effect=row.effect,
        state=ApprovalState(row.state),
        created_at=row.created_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        sent_at=row.sent_at,
        finished_at=row.finished_at,
        result=result,
        edited=None if row.edited_arguments is None else Edit(json.loads(row.edited_arguments), row.edited_effect),
    )


def _edit_row(edit: Edit) -> dict[str, str]:
    return {
        "edited_arguments": json.dumps(edit.arguments, ensure_ascii=False),
        "edited_effect": edit.effect,
    }
