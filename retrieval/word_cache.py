"""An index of each store's words, in memory, of a large store in mapped files. A cache: the database is the truth.

What has changed since an index was made is laid over it at once. A large one is written anew in the background.
Its files count only if their digest agrees with the database.
"""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from core.database import Database
from core.errors import Unavailable
from retrieval import shelf
from retrieval.index_folder import IndexFolder, digest
from retrieval.live_words import LiveWords
from retrieval.shelf import Store
from retrieval.store_changes import StoreChanges
from retrieval.word_index import ANALYSIS, IN_MEMORY, WordIndex

_LOG = logging.getLogger(__name__)
_MADE_ANEW = 1_000
"""Up to so many it is made anew whenever passages go, so that no word's rarity tells of them (0.06 s)."""
_WORN = 0.15
"""Share of changes above which an index is made anew."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The words of a store as it was at one generation.

    Attributes:
        noted: the latest removal of that moment; None if nobody knows.
    """

    store: Store
    words: LiveWords
    noted: int | None = None


@dataclass(slots=True)
class _Place:
    """What is kept of one store.

    Attributes:
        turn: of whoever changes any of it.
        snapshot: what searches use.
        writer: at work in the background, if any.
        refused: the disk took no index; none is written before the next start.
    """

    turn: threading.Lock = field(default_factory=threading.Lock)
    snapshot: _Snapshot | None = None
    writer: threading.Thread | None = None
    refused: bool = False


class WordCache:
    """Hands out immutable indexes; a search that runs meanwhile keeps the one that it began with.

    Args:
        database: holds the passages.
        folder: where large indexes are saved.
        in_memory: up to so many passages an index is kept in memory alone.
    """

    def __init__(self, database: Database, folder: Path, in_memory: int = IN_MEMORY) -> None:
        self._database = database
        self._folder = IndexFolder(folder, "words")
        self._in_memory = in_memory
        self._places: dict[int, _Place] = {}
        self._closed = threading.Event()

    def get(self, store: Store) -> LiveWords:
        """Return the words of a store, which may be as old as the last `refresh` if it is a folder's."""
        place = self._places.setdefault(store.id, _Place())
        held = place.snapshot
        if held is not None and (store.id > 0 or held.store.generation == store.generation):
            return held.words
        return self._caught_up(store, place)

    def refresh(self, name: str) -> None:
        """Bring the words of a store up to its present generation."""
        with self._database.read() as connection:
            store = shelf.present_store(connection, name)
        self._caught_up(store, self._places.setdefault(store.id, _Place()))

    def settle(self) -> None:
        """Wait until no index is being written."""
        for place in list(self._places.values()):
            if (writer := place.writer) is not None:
                writer.join()

    def close(self) -> None:
        """Begin to write no further index."""
        self._closed.set()

    def drop_gone(self) -> None:
        """Forget the words of stores that are no more."""
        with self._database.read() as connection:
            there = shelf.store_numbers(connection)
        self._folder.keep_only(there)
        for number in set(self._places) - there:
            self._places.pop(number, None)

    def _caught_up(self, store: Store, place: _Place) -> LiveWords:
        with place.turn:
            saved = None
            with self._database.snapshot() as connection:  # generation and passages belong to each other
                now = shelf.present_store(connection, store.name, store.id)
                held = place.snapshot
                if held is not None and held.store.generation == now.generation:
                    return held.words
                held = held or self._read(now)
                fresh = held and self._changed(connection, now, held)
                if fresh is None:
                    words, saved = self._made(connection, now, place)
                    fresh = _Snapshot(now, words, shelf.latest_removal(connection))
            if saved is not None:
                self._record(now, saved)
            place.snapshot = fresh
            if self._outgrown(fresh.words, place):
                self._write_later(place)
        return fresh.words

    def _changed(self, connection: Connection, store: Store, held: _Snapshot) -> _Snapshot | None:
        """Return the words with what has changed since; None if they are as well made anew."""
        changes = StoreChanges.since(connection, store.id, held.words, held.noted)
        came = len(changes.came)
        words = held.words.without(changes.gone)
        passages = words.count + came
        if passages <= _MADE_ANEW and (len(words.gone) or (came and words.saved)):
            return None
        if came:
            words = words.grown(shelf.passage_words(connection, store.id, words.latest))
        if passages <= self._in_memory and words.changed > _WORN:
            return None
        return _Snapshot(store, words, changes.noted)

    def _made(self, connection: Connection, store: Store, place: _Place) -> tuple[LiveWords, str | None]:
        """Return the words of all passages, and the digest of the files that they were written to, if any."""
        if shelf.passage_count(connection, store.id) <= self._in_memory:
            self._folder.remove(store.id)
        elif not place.refused:
            try:
                return self._written(connection, store)
            except OSError as error:
                self._refuse(store, place, error)
        return LiveWords().grown(shelf.passage_words(connection, store.id)), None

    def _written(self, connection: Connection, store: Store) -> tuple[LiveWords, str]:
        with self._folder.replacing(store.id) as beside:
            beside.mkdir()
            WordIndex.write(shelf.passage_words(connection, store.id), beside)
            sha256 = digest(beside, ANALYSIS)
        return LiveWords(WordIndex.read(self._folder.path(store.id))), sha256

    def _read(self, store: Store) -> _Snapshot | None:
        path = self._folder.path(store.id)
        try:
            if store.words_sha256 is None or digest(path, ANALYSIS) != store.words_sha256:
                return None
            return _Snapshot(store, LiveWords(WordIndex.read(path)))
        except OSError:
            return None

    def _record(self, store: Store, sha256: str) -> None:
        try:
            with self._database.write() as connection:
                shelf.change_store(connection, store.id, words_sha256=sha256)
        except Unavailable as error:
            _LOG.warning("The words of %r are made again at the next start: %s", store.name, error)

    def _outgrown(self, words: LiveWords, place: _Place) -> bool:
        """Tell whether a large index is to be written anew."""
        worn = words.saved is None or words.changed > _WORN
        return words.count > self._in_memory and worn and not place.refused

    def _write_later(self, place: _Place) -> None:
        if place.writer is None and not self._closed.is_set():
            # A daemon: what it writes is a cache, and a server that ends does not wait for it.
            place.writer = threading.Thread(target=self._write, args=(place,), name="words-writer", daemon=True)
            place.writer.start()

    def _write(self, place: _Place) -> None:
        try:
            self._rewrite(place)
        except (Unavailable, LookupError, MemoryError) as error:
            _LOG.warning("Words are not written anew, they are searched as before: %s", error)
        with place.turn:
            place.writer = None

    def _rewrite(self, place: _Place) -> None:
        """Write an index, and put it in the place of the one that serves, with what has changed meanwhile."""
        held = place.snapshot
        if held is None:
            return
        with self._database.snapshot() as connection:
            store = shelf.find_store(connection, held.store.name)
            if store is None:
                return
            try:
                words, sha256 = self._written(connection, store)
            except OSError as error:
                self._refuse(store, place, error)
                return
            made = _Snapshot(store, words, shelf.latest_removal(connection))
        self._record(store, sha256)
        with place.turn, self._database.snapshot() as connection:
            now = shelf.find_store(connection, store.name)
            if now is not None and now.id == store.id and (fresh := self._changed(connection, now, made)):
                place.snapshot = fresh

    def _refuse(self, store: Store, place: _Place, error: OSError) -> None:
        place.refused = True
        _LOG.warning("The words of %r are not saved, they are kept in memory: %s", store.name, error)
