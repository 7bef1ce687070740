"""Taking the files in that wait in vector stores, one after the other, the oldest first. Blocking.

All that it needs to know stands in the database, so it goes on after a kill where it was; vectors that were laid
down are not paid for twice.
"""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core.database import Database
from core.errors import RepertoryError, Unavailable
from retrieval import shelf
from retrieval.folder import MAX_DOCUMENT_BYTES, MAX_TEXT_BYTES
from retrieval.intake import Intake
from retrieval.parsing import FileRefusedError, Parser, check_readable, format_of
from retrieval.records import TextEmbedder
from retrieval.shelf import NewDocument, Store
from retrieval.splitting import WHOLE_PROSE, Cut
from retrieval.tables import entries, stores
from retrieval.tokens import Tokens
from retrieval.vector_store import FileStatus

_LOG = logging.getLogger(__name__)
_MOST_ATTEMPTS = 5
_OWN_MARKS = 2
_LEAST_TOKENS = 32


class _Withdrawn(Exception):
    """The file was removed, cancelled or added anew while it was read."""


class Ingest:
    """The one worker of a server.

    Args:
        database: holds stores and waiting files.
        embedder: gives the vectors.
        parser: reads the files.
        tokens: measures pieces, where a caller chose their size.
        blob: returns where the bytes of a hash lie.
    """

    def __init__(
        self,
        database: Database,
        embedder: TextEmbedder,
        parser: Parser,
        tokens: Tokens,
        blob: Callable[[str], Path],
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._parser = parser
        self._tokens = tokens
        self._blob = blob
        self._closed = False
        self._forgiven: dict[int, int] = {}  # of waiting files, tries that count

    def close(self) -> None:
        """Take in no more; what is under way ends between two batches and is gone on with after the next start."""
        self._closed = True

    def step(self) -> str | None:
        """Take in the file that has waited longest; return its store, or None where none waits.

        Raises:
            Unavailable: the embedder, the parser or the database is away, or this is closed; the file waits on.
        """
        query = select(entries).where(entries.c.status == FileStatus.IN_PROGRESS.value)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(entries.c.seq).limit(1)).one_or_none()
        if row is None or self._closed:
            return None
        attempts = self._forgiven.get(row.seq, row.attempts)
        if attempts >= _MOST_ATTEMPTS:
            self._fail(row, "server_error", f"The server stopped {attempts} times while it read this file.")
            return str(row.vector_store)
        self._set(row, attempts=attempts + 1)
        try:
            self._take(row)
        except Unavailable:
            self._forgive(row, attempts)
            raise
        except _Withdrawn:
            pass
        except FileRefusedError as refusal:
            self._fail(row, "invalid_file", refusal.reason)
        except RepertoryError as error:
            self._fail(row, "server_error", error.message)
        except Exception as error:  # the worker edge: the other files are read all the same
            _LOG.exception("the file %r", row.file_id)
            self._fail(row, "server_error", f"{type(error).__name__}; the server's log says more.")
        self._forgiven.pop(row.seq, None)
        return str(row.vector_store)

    def embed_anew(self) -> None:
        """Give the vector stores of another embedder their vectors anew.

        Raises:
            Unavailable: the embedder or the database is away, or this is closed.
        """
        stale = select(stores.c.name).where(stores.c.id < 0, stores.c.embedder != self._embedder.model_id)
        with self._database.read() as connection:
            names = connection.execute(stale).scalars().all()
        for name in names:
            self._intake().embedded_anew(self._store(name))

    def tidy(self) -> None:
        """Drop the vectors that no passage names."""
        with self._database.read() as connection:  # a long look, during which others may write
            if not shelf.any_unused_vectors(connection):
                return
        with self._database.write() as connection:
            shelf.forget_unused_vectors(connection, self._embedder.model_id)

    def _take(self, row: Row[Any]) -> None:
        try:
            check_readable(row.filename)
        except FileRefusedError as refusal:
            self._fail(row, "unsupported_file", refusal.reason)
            return
        most = MAX_DOCUMENT_BYTES if format_of(row.filename) else MAX_TEXT_BYTES
        if row.bytes > most:
            raise FileRefusedError(f"It is larger than {most / 1e6:g} MB. Split it into several files.")
        content = self._blob(row.sha256).read_bytes()
        intake = self._intake()
        identity = intake.identity(content, row.filename)
        read = self._parser.parse(content, row.filename)
        del content
        store = intake.embedded_anew(self._store(row.vector_store))

        def completed(connection: Connection, document: NewDocument) -> None:
            used = len(document.text.encode()) + 4 * store.dimensions * len(document.pieces)
            done = self._of(row).values(
                status=FileStatus.COMPLETED.value, document_id=document.id, usage_bytes=used
            )
            if not connection.execute(done).rowcount:
                raise _Withdrawn

        path = f"{row.file_id}/{row.filename}"
        cut = self._cut(row)
        intake.put(store, path, read, identity, name=row.filename, cut=cut, within=completed)

    def _cut(self, row: Row[Any]) -> Cut:
        if row.max_tokens is None:
            return WHOLE_PROSE
        # The title stands above each passage when it is embedded, and the model reads no further than its window.
        room = self._tokens.window - _OWN_MARKS - 2 * self._tokens.count(row.filename)
        size = max(_LEAST_TOKENS, min(row.max_tokens, room))
        return Cut(size, min(row.overlap_tokens, size // 2), self._tokens.count)

    def _intake(self) -> Intake:
        return Intake(self._database, self._embedder, self._parser, self._check_open)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The server is being stopped.", code="stopping")

    def _store(self, name: str) -> Store:
        with self._database.read() as connection:
            store = shelf.find_store(connection, name)
        if store is None:
            raise _Withdrawn
        return store

    def _forgive(self, row: Row[Any], attempts: int) -> None:
        """Do not count a try that broke off for no fault of the file, though a full disk may keep it counted."""
        self._forgiven[row.seq] = attempts
        with contextlib.suppress(Unavailable):
            self._set(row, attempts=attempts)

    def _fail(self, row: Row[Any], code: str, message: str) -> None:
        self._set(row, status=FileStatus.FAILED.value, error_code=code, error_message=message)

    def _set(self, row: Row[Any], **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(self._of(row).values(**values))

    def _of(self, row: Row[Any]) -> Any:
        waiting = entries.c.status == FileStatus.IN_PROGRESS.value
        return update(entries).where(entries.c.seq == row.seq, waiting)
