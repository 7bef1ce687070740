"""The tracker's tickets in one SQLite file. Owns storage and search; must never know HTTP."""

import json
import re
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SEEDS = Path(__file__).with_name("seeds.json")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    priority TEXT NOT NULL,
    assignee TEXT,
    created_at TEXT NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS ticket_words
USING fts5(title, description, assignee, tokenize='porter unicode61');
"""
_COLUMNS = "tickets.id, tickets.title, tickets.description, status, priority, tickets.assignee, created_at"
_EMPTY_WORDS = """
a about all an and any are at by can find for from have i in is it list me of on or our
please search show that the there this ticket tickets to we what which with you
"""  # words of a request that say nothing about the ticket


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket."""

    id: int
    title: str
    description: str
    status: str
    priority: str
    assignee: str | None
    created_at: str


class TicketStore:
    """Tickets that survive a restart; safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.executescript(_SCHEMA)
        if self._connection.execute("SELECT count(*) FROM tickets").fetchone()[0] == 0:
            self._seed()

    def search(self, query: str, status: str | None = None, limit: int = 5) -> list[Ticket]:
        """Return tickets that hold every word of `query`, else any, the best match first; all for no word.

        Where no word is found, the first half of each word is enough: "logging" then finds "login".
        """
        empty = frozenset(_EMPTY_WORDS.split())
        words = [word for word in re.findall(r"\w+", query.lower()) if word not in empty]
        if not words:
            return self._select("FROM tickets WHERE 1 = 1", [], status, "tickets.id DESC", limit)
        # Quoted, since a bare word could be query syntax.
        every = " ".join(f'"{word}"' for word in words)
        whole = " OR ".join(f'"{word}"' for word in words)
        starts = " OR ".join(f'"{word[: max(3, len(word) // 2)]}"*' for word in words)
        found = self._match(every, status, limit) or self._match(whole, status, limit)
        return found or self._match(starts, status, limit)

    def get(self, ticket_id: int) -> Ticket | None:
        """Return the ticket, or None."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM tickets WHERE id = ?",  # noqa: S608
                [ticket_id],
            ).fetchone()
        return Ticket(*row) if row else None

    def create(self, title: str, description: str, priority: str) -> Ticket:
        """File an open ticket and return it."""
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock, self._connection:
            ticket_id = self._insert(title, description, "open", priority, None, created_at)
        return Ticket(ticket_id, title, description, "open", priority, None, created_at)

    def newest(self, limit: int = 200) -> list[Ticket]:
        """Return tickets, the newest first."""
        return self.search("", limit=limit)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _match(self, match: str, status: str | None, limit: int) -> list[Ticket]:
        source = "FROM ticket_words JOIN tickets ON tickets.id = ticket_words.rowid WHERE ticket_words MATCH ?"
        return self._select(source, [match], status, "bm25(ticket_words, 4.0, 1.0, 2.0), tickets.id", limit)

    def _select(self, source: str, values: list[str], status: str | None, order: str, limit: int) -> list[Ticket]:
        where, values = (" AND status = ?", [*values, status]) if status else ("", values)
        sql = f"SELECT {_COLUMNS} {source}{where} ORDER BY {order} LIMIT ?"
        with self._lock:
            return [Ticket(*row) for row in self._connection.execute(sql, [*values, limit])]

    def _seed(self) -> None:
        with self._connection:
            self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('tickets', 100)")
            for seed in json.loads(_SEEDS.read_text(encoding="utf-8")):
                self._insert(**seed)

    def _insert(
        self, title: str, description: str, status: str, priority: str, assignee: str | None, created_at: str
    ) -> int:
        cursor = self._connection.execute(
            "INSERT INTO tickets (title, description, status, priority, assignee, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [title, description, status, priority, assignee, created_at],
        )
        ticket_id = cursor.lastrowid or 0
        self._connection.execute(
            "INSERT INTO ticket_words (rowid, title, description, assignee) VALUES (?,?,?,?)",
            [ticket_id, title, description, assignee],
        )
        return ticket_id
