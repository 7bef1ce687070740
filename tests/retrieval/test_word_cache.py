"""The index of words is a cache: whatever changes or breaks, it finds what the database holds."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.database import Database
from core.errors import NotFound
from retrieval import shelf
from retrieval.index_folder import IndexFolder, digest
from retrieval.live_words import LiveWords
from retrieval.shelf import NewDocument, Store
from retrieval.splitting import Piece
from retrieval.word_cache import WordCache
from retrieval.word_index import ANALYSIS

_LARGE = 1500  # passages: above what is made anew at each change
_DOCUMENT = 50


class _Shelf:
    """A store whose documents have fifty passages each."""

    def __init__(self, database: Database, number: int = 1) -> None:
        self._database = database
        self._held: set[int] = set()
        with database.write() as connection:
            shelf.add_store(connection, number, f"big{number}", "", "none", 1)
        self._name = f"big{number}"

    @property
    def row(self) -> Store:
        with self._database.read() as connection:
            store = shelf.find_store(connection, self._name)
        assert store is not None
        return store

    def add(self, *numbers: int) -> None:
        for number in numbers:
            pieces = [
                Piece("Heading", f"all words of document{number} and place{place}", place, place + 1)
                for place in range(_DOCUMENT)
            ]
            hashes = [f"{self._name}-{number}-{place}" for place in range(_DOCUMENT)]
            name = f"{self._name}-{number}"
            with self._database.write() as connection:
                document = NewDocument(name, f"{number}.txt", "Title", "", name, pieces, hashes)
                shelf.put_document(connection, self.row, document, {})
            self._held.add(number)

    def remove(self, *numbers: int) -> None:
        for number in numbers:
            with self._database.write() as connection:
                shelf.remove_document(connection, self.row, f"{self._name}-{number}")
            self._held.discard(number)

    def check(self, words: LiveWords) -> None:
        """Compare what is found with what was put in."""
        with self._database.read() as connection:
            rows = shelf.rows_above(connection, self.row.id, 0)
        assert words.rows.tolist() == rows.tolist()
        assert words.count == _DOCUMENT * len(self._held)
        for number in range(max(self._held, default=0) + 2):
            found = words.search({f"document{number}": 1.0}, 10_000)
            assert len(found.rows) == (_DOCUMENT if number in self._held else 0), number
            assert set(found.rows.tolist()) <= set(rows.tolist())


@pytest.fixture
def big(database: Database) -> _Shelf:
    big = _Shelf(database)
    big.add(*range(_LARGE // _DOCUMENT))
    return big


@pytest.fixture
def cache(database: Database, index_dir: Path) -> Iterator[WordCache]:
    cache = WordCache(database, index_dir, in_memory=1200)
    yield cache
    cache.close()
    cache.settle()


def _opened(database: Database, index_dir: Path) -> WordCache:
    return WordCache(database, index_dir, in_memory=1200)


def _caught_up(cache: WordCache, store: _Shelf) -> LiveWords:
    cache.refresh(store.row.name)
    return cache.get(store.row)


def test_few_passages_are_kept_in_memory_alone(database: Database, index_dir: Path) -> None:
    small = _Shelf(database)
    small.add(1, 2)
    cache = _opened(database, index_dir)

    words = cache.get(small.row)

    small.check(words)
    assert words.saved is None
    assert not index_dir.exists()
    assert small.row.words_sha256 is None


def test_many_passages_are_saved_and_the_next_start_reads_them(
    database: Database, index_dir: Path, cache: WordCache, big: _Shelf
) -> None:
    big.check(cache.get(big.row))
    written = {path: path.stat().st_mtime_ns for path in (index_dir / "1.words").iterdir()}

    again = _opened(database, index_dir).get(big.row)

    big.check(again)
    assert again.saved is not None
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_change_is_laid_over_at_once_and_the_saved_index_stays(cache: WordCache, big: _Shelf) -> None:
    saved = cache.get(big.row).saved
    for step in range(3):
        big.remove(step)
        big.add(100 + step)
        words = _caught_up(cache, big)
        big.check(words)
        assert words.saved is saved


def test_an_index_of_a_folder_stays_as_it_is_until_it_is_refreshed(cache: WordCache, big: _Shelf) -> None:
    before = cache.get(big.row)
    big.add(100)

    assert cache.get(big.row) is before
    big.check(_caught_up(cache, big))


def test_a_store_of_uploads_is_caught_up_by_the_next_search(database: Database, cache: WordCache) -> None:
    uploads = _Shelf(database, -1)
    uploads.add(1)
    uploads.check(cache.get(uploads.row))
    uploads.add(2)
    uploads.remove(1)

    uploads.check(cache.get(uploads.row))


def test_an_index_that_is_worn_is_written_anew_in_the_background(cache: WordCache, big: _Shelf) -> None:
    saved = cache.get(big.row).saved
    big.remove(*range(4))
    big.add(*range(100, 104))
    big.check(_caught_up(cache, big))

    cache.settle()

    words = cache.get(big.row)
    assert words.saved is not saved
    assert words.changed == 0
    big.check(words)


def test_what_changes_while_an_index_is_written_is_not_lost(cache: WordCache, big: _Shelf) -> None:
    cache.get(big.row)
    big.add(*range(100, 106))
    cache.refresh(big.row.name)
    big.remove(0, 103)
    big.add(110)
    cache.refresh(big.row.name)

    cache.settle()

    big.check(cache.get(big.row))


def test_a_store_that_grows_large_is_saved_and_one_that_shrinks_is_not(
    index_dir: Path, cache: WordCache, database: Database
) -> None:
    store = _Shelf(database)
    store.add(*range(20))
    assert cache.get(store.row).saved is None
    store.add(*range(20, 30))
    store.check(_caught_up(cache, store))
    cache.settle()
    assert cache.get(store.row).saved is not None
    assert (index_dir / "1.words").is_dir()

    store.remove(*range(20))
    words = _caught_up(cache, store)

    store.check(words)
    assert words.saved is None
    assert not (index_dir / "1.words").exists()


def test_many_removals_in_memory_make_the_index_anew(database: Database, index_dir: Path, big: _Shelf) -> None:
    cache = WordCache(database, index_dir)
    cache.get(big.row)
    big.remove(0)
    assert len(_caught_up(cache, big).gone) == _DOCUMENT

    big.remove(*range(1, 6))
    words = _caught_up(cache, big)

    big.check(words)
    assert not len(words.gone)


def test_changes_since_the_index_was_saved_are_found_after_the_next_start(
    database: Database, index_dir: Path, cache: WordCache, big: _Shelf
) -> None:
    cache.get(big.row)
    big.remove(3)
    big.add(100)

    words = _opened(database, index_dir).get(big.row)

    big.check(words)
    assert len(words.gone) == _DOCUMENT


def _largest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: path.stat().st_size)


def _flip(folder: Path) -> None:
    content = bytearray(_largest(folder).read_bytes())
    content[len(content) // 2] ^= 1
    _largest(folder).write_bytes(content)


def _halve(folder: Path) -> None:
    path = _largest(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _replace(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("no folder")


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        _halve,
        _empty,
        _replace,
        shutil.rmtree,
        lambda folder: _largest(folder).unlink(),
        lambda folder: (folder / "rows.npy").unlink(),
        lambda folder: (folder / "meta.json").write_text("{}"),
    ],
)
def test_damaged_words_are_made_again_from_the_database(
    database: Database, index_dir: Path, cache: WordCache, big: _Shelf, damage: Callable[[Path], None]
) -> None:
    cache.get(big.row)
    damage(index_dir / "1.words")

    words = _opened(database, index_dir).get(big.row)

    big.check(words)
    assert words.saved is not None
    assert digest(index_dir / "1.words", ANALYSIS) == big.row.words_sha256


def test_words_of_another_store_are_not_taken(
    database: Database, index_dir: Path, cache: WordCache, big: _Shelf
) -> None:
    other = _Shelf(database, 2)
    other.add(*range(200, 230))
    cache.get(big.row)
    cache.get(other.row)
    shutil.rmtree(index_dir / "1.words")
    shutil.copytree(index_dir / "2.words", index_dir / "1.words")

    big.check(_opened(database, index_dir).get(big.row))


def test_what_a_killed_process_left_half_written_is_swept_and_what_another_writes_is_not(
    index_dir: Path,
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"1.words.{dead.pid}.tmp", f"2.words.{os.getpid()}.tmp"):
        (index_dir / name).mkdir(parents=True)
        (index_dir / name / "meta.json").write_text("{")

    IndexFolder(index_dir, "words")

    assert [path.name for path in index_dir.iterdir()] == [f"2.words.{os.getpid()}.tmp"]


def test_a_disk_that_takes_no_index_leaves_words_in_memory_and_nothing_half_written(
    database: Database, index_dir: Path, big: _Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    index_dir.write_text("in the way")
    cache = _opened(database, index_dir)

    with caplog.at_level(logging.WARNING):
        words = cache.get(big.row)

    big.check(words)
    assert words.saved is None
    assert "are not saved" in caplog.text
    big.add(100)
    big.check(_caught_up(cache, big))


def test_the_words_of_a_store_that_is_gone_go(
    database: Database, index_dir: Path, cache: WordCache, big: _Shelf
) -> None:
    row = big.row
    cache.get(row)
    big.remove(*range(_LARGE // _DOCUMENT))
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM retrieval_stores")

    cache.drop_gone()

    assert list(index_dir.iterdir()) == []
    with pytest.raises(NotFound):
        cache.get(row)
    with pytest.raises(NotFound):
        cache.refresh(row.name)
