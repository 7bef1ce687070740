"""Bringing a store in line with its folder. Owns what is read, kept, embedded and dropped, and when.

Each document is one transaction, so whatever ends the process leaves every document old or new, and the next
sync goes on from there. Vectors are laid down before that, where a repeated sync finds them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.database import Database
from core.errors import InvalidRequest
from retrieval import shelf
from retrieval.folder import MAX_DOCUMENT_BYTES, MAX_TEXT_BYTES, FolderEntry, entries, read_bytes
from retrieval.intake import Intake
from retrieval.parsing import FileRefusedError, Parser, format_of
from retrieval.records import UPLOADS, FileFailure, FileWarning, SyncProgress, SyncReport, TextEmbedder
from retrieval.shelf import Store

Progress = Callable[[SyncProgress], None]


@dataclass(slots=True)
class _Tally:
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failures: list[FileFailure] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    unchanged: int = 0


class FolderSync:
    """One sync of one store; made for the call and thrown away."""

    def __init__(
        self,
        database: Database,
        embedder: TextEmbedder,
        parser: Parser,
        name: str,
        folder: Path,
        progress: Progress | None,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._parser = parser
        self._folder = folder
        self._progress = progress
        self._tally = _Tally()
        self._name = name
        self._files = (0, 0)
        self._path = ""
        self._intake = Intake(database, embedder, parser, self._report)

    def run(self) -> SyncReport:
        """Do it.

        Raises:
            InvalidRequest: the folder does not exist.
            Unavailable: the embedder, the parser or the database is away; what is done is done.
        """
        began = time.monotonic()
        found = entries(self._folder)
        store = self._intake.embedded_anew(self._opened())
        with self._database.read() as connection:
            held = shelf.content_hashes(connection, store.id)
        for number, entry in enumerate(found):
            self._files = (number, len(found))
            self._path = entry.path
            self._report()
            self._take(store, entry, held)
        self._files = (len(found), len(found))
        self._drop(store, [path for path in held if path not in self._tally.kept])
        with self._database.write() as connection:
            if self._tally.added or self._tally.updated or self._tally.removed:
                shelf.forget_unused_vectors(connection, self._embedder.model_id)
            shelf.change_store(connection, store.id, synced_at=time.time())
            shelf.keep_failures(connection, store.id, self._tally.failures)
        with self._database.read() as connection:
            warnings = shelf.warnings(connection, store.id)
        self._path = ""
        self._report()
        return self._reported(warnings, time.monotonic() - began)

    def _opened(self) -> Store:
        if self._name.startswith(UPLOADS):
            raise InvalidRequest(f"{self._name!r} is the name of a vector store. Give the folder another one.")
        with self._database.write() as connection:
            store = shelf.find_store(connection, self._name)
            folder = str(self._folder)
            if store is None:
                return shelf.create_store(
                    connection, self._name, folder, self._embedder.model_id, self._embedder.dimensions
                )
            shelf.change_store(connection, store.id, folder=folder)
            return store

    def _take(self, store: Store, entry: FolderEntry, held: Mapping[str, str]) -> None:
        try:
            content = read_bytes(
                entry, self._folder, MAX_DOCUMENT_BYTES if format_of(entry.path) else MAX_TEXT_BYTES
            )
            identity = self._intake.identity(content, entry.path)
            changed = held.get(entry.path) != identity
            document = self._parser.parse(content, entry.path) if changed else None
        except FileRefusedError as refusal:
            self._tally.failures.append(FileFailure(entry.path, refusal.reason))
            if refusal.keeps_last_good:
                self._tally.kept.add(entry.path)
            return
        self._tally.kept.add(entry.path)
        if document is None:
            self._tally.unchanged += 1
            return
        self._intake.put(store, entry.path, document, identity)
        (self._tally.updated if entry.path in held else self._tally.added).append(entry.path)

    def _drop(self, store: Store, paths: list[str]) -> None:
        for path in paths:
            with self._database.write() as connection:
                shelf.remove_document(connection, store, shelf.document_id(self._name, path))
            self._tally.removed.append(path)

    def _report(self) -> None:
        if self._progress is not None:
            done, total = self._files
            self._progress(SyncProgress(self._name, self._path, done, total, self._intake.embedded))

    def _reported(self, warnings: Sequence[FileWarning], seconds: float) -> SyncReport:
        tally = self._tally
        return SyncReport(
            store=self._name,
            added=tuple(tally.added),
            updated=tuple(tally.updated),
            removed=tuple(tally.removed),
            unchanged=tally.unchanged,
            failures=tuple(tally.failures),
            warnings=tuple(warnings),
            passages_embedded=self._intake.embedded,
            seconds=seconds,
        )
