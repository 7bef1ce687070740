"""Files in vector stores: taken in durably, found by those who may read them, and by nobody else."""

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from core.database import Database
from core.errors import NotFound, Unavailable
from core.paging import Slice
from retrieval import Knowledge
from retrieval.attribute_filter import Comparison, Compound, Filter
from retrieval.ingest import Ingest
from retrieval.parsing import Parser
from retrieval.store_files import StoreFiles
from retrieval.vector_store import FileStatus, Sizes, Upload, Value
from retrieval.vector_stores import VectorStores
from tests.fakes.embedder import WordEmbedder
from tests.retrieval.conftest import RETURNS, TONE


class Words:
    """Words as tokens."""

    window = 256

    def count(self, text: str) -> int:
        return len(text.split())


class Shelf:
    """Stores, files and the worker over one database, as a server has them."""

    def __init__(self, database: Database, base: Path) -> None:
        self.now = 1_800_000_000.0
        self.base = base
        self.database = database
        self.embedder = WordEmbedder()
        self.parser = Parser()
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        self.knowledge = Knowledge(database, self.embedder, base / "indexes", self.parser, clock)
        self.stores = VectorStores(database, self.embedder, clock)
        self.files = StoreFiles(database, clock)
        self.ingest = Ingest(database, self.embedder, self.parser, Words(), lambda sha256: base / sha256)

    def upload(
        self,
        text: str | bytes,
        name: str = "file.md",
        sizes: Sizes | None = None,
        file_id: str | None = None,
        **attributes: Value,
    ) -> Upload:
        content = text.encode() if isinstance(text, str) else text
        sha256 = hashlib.sha256(content).hexdigest()
        (self.base / sha256).write_bytes(content)
        return Upload(file_id or f"file-{sha256[:8]}", name, len(content), sha256, attributes, sizes)

    def work(self) -> None:
        while self.ingest.step():
            pass
        self.knowledge.drop_gone()

    def found(self, store: str, query: str, reader: str = "key:ada", wanted: Filter | None = None) -> list[str]:
        result = self.knowledge.search(
            [store], query, reader=reader, wanted=wanted, floor=-1.0, top_k=50, per_document=50
        )
        return [passage.text for passage in result.passages]


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path)


def test_a_file_waits_is_taken_in_and_is_found_with_its_status_and_size(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    waiting = shelf.files.add(store, shelf.upload(RETURNS, "returns.md"))
    assert (waiting.status, shelf.found(store, "gift cards")) == (FileStatus.IN_PROGRESS, [])

    shelf.work()

    done = shelf.files.get(store, waiting.file_id)
    shown = shelf.stores.get(store, "key:ada")
    assert (done.status, done.usage_bytes > len(RETURNS)) == (FileStatus.COMPLETED, True)
    assert (shown.counts[FileStatus.COMPLETED], shown.usage_bytes) == (1, done.usage_bytes)
    assert any("Gift cards" in text for text in shelf.found(store, "gift cards"))


def test_the_same_bytes_are_embedded_once_whatever_the_store(shelf: Shelf) -> None:
    for number in range(3):
        store = shelf.stores.create("key:ada").id
        shelf.files.add(store, shelf.upload(TONE, "tone.txt", file_id=f"file-{number}"))
    shelf.work()
    assert len(shelf.embedder.embedded) == 1


def test_a_file_that_cannot_be_read_fails_alone_and_says_why(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    bad = shelf.files.add(store, shelf.upload(b"MZ", "program.exe"))
    broken = shelf.files.add(store, shelf.upload(b"PK no archive", "letter.docx"))
    gone = shelf.files.add(store, Upload("file-gone", "gone.md", 3, "0" * 64, {}))
    good = shelf.files.add(store, shelf.upload(TONE, "tone.txt"))
    shelf.work()
    seen = [shelf.files.get(store, one.file_id) for one in (bad, broken, gone, good)]
    assert [one.error_code for one in seen] == ["unsupported_file", "invalid_file", "server_error", None]
    assert all(one.error_message for one in seen[:3])
    assert seen[3].status is FileStatus.COMPLETED


def test_a_removed_file_and_a_deleted_store_are_gone_at_once(shelf: Shelf) -> None:
    store, other = shelf.stores.create("key:ada").id, shelf.stores.create("key:ada").id
    for one in (store, other):
        shelf.files.add(one, shelf.upload(TONE, "tone.txt", file_id="file-tone"))
    shelf.work()
    document = shelf.files.get(store, "file-tone").document_id or ""
    assert shelf.knowledge.document(document, "key:ada").text == TONE

    shelf.files.remove(store, "file-tone")
    shelf.stores.delete(other)

    assert shelf.found(store, "plainly") == []
    with pytest.raises(NotFound):
        shelf.knowledge.document(document, "key:ada")
    with pytest.raises(NotFound):
        shelf.found(other, "plainly")
    assert [one.passages for one in shelf.knowledge.stores()] == [0]


def test_a_file_that_is_removed_while_it_is_read_does_not_come_back(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    upload = shelf.upload(TONE, "tone.txt")
    shelf.files.add(store, upload)
    embed = shelf.embedder.embed

    def removing(texts: list[str], *, priority: bool = False) -> object:
        shelf.files.remove(store, upload.file_id)
        return embed(texts, priority=priority)

    shelf.embedder.embed = removing  # type: ignore[method-assign, assignment]
    shelf.ingest.step()
    shelf.embedder.embed = embed  # type: ignore[method-assign]
    assert shelf.found(store, "plainly") == []
    with pytest.raises(NotFound):
        shelf.files.get(store, upload.file_id)


def test_while_the_embedder_is_away_files_wait(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    upload = shelf.upload(TONE, "tone.txt")
    shelf.files.add(store, upload)
    embed = shelf.embedder.embed

    def away(texts: list[str], *, priority: bool = False) -> object:
        raise Unavailable("away")

    shelf.embedder.embed = away  # type: ignore[method-assign, assignment]
    for _ in range(9):
        with pytest.raises(Unavailable):
            shelf.ingest.step()
    shelf.embedder.embed = embed  # type: ignore[method-assign]
    shelf.work()
    assert shelf.files.get(store, upload.file_id).status is FileStatus.COMPLETED


def test_pieces_have_the_size_and_the_overlap_that_were_asked_for(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    words = " ".join(f"word{number}" for number in range(1000))
    shelf.files.add(store, shelf.upload(words, "words.txt", Sizes(100, 20)))
    shelf.work()
    pieces = [text.split() for text in shelf.found(store, "word500")]
    document = shelf.files.text(store, shelf.files.list(store, Slice()).items[0].file_id)
    assert document == words
    last_words = {piece[-1] for piece in pieces}
    assert max(map(len, pieces)) <= 100
    assert all(len(piece) > 50 for piece in pieces)
    assert len(last_words) == len(pieces) == 13
    every = _all_pieces(shelf)
    assert every[0][0] == "word0"
    assert every[-1][-1] == "word999"
    assert all(10 <= len(set(one) & set(two)) <= 20 for one, two in pairwise(every))


def _all_pieces(shelf: Shelf) -> list[list[str]]:
    with shelf.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT text FROM retrieval_passages ORDER BY start").all()
    return [row[0].split() for row in rows]


def test_an_expired_store_answers_nothing_and_its_files_go(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada", expires_days=1).id
    shelf.files.add(store, shelf.upload(TONE, "tone.txt"))
    shelf.work()
    shelf.now += 80_000
    shelf.stores.touch(store)
    shelf.now += 80_000
    assert shelf.found(store, "plainly")
    shelf.now += 10_000
    assert shelf.found(store, "plainly") == []
    assert shelf.stores.get(store, "key:ada").expired
    shelf.stores.sweep()
    assert shelf.stores.get(store, "key:ada").counts[FileStatus.COMPLETED] == 0
    assert shelf.knowledge.stores()[0].passages == 0


FILTERS: list[tuple[Filter, set[int]]] = [
    (Comparison("eq", "year", [2]), {2}),
    (Comparison("ne", "year", [2]), {0, 1, 3, 4}),
    (Comparison("gt", "year", [1]), {2, 3}),
    (Comparison("lte", "year", [1]), {0, 1}),
    (Comparison("in", "tag", ["n1", "n3"]), {1, 3}),
    (Comparison("nin", "tag", ["n1", "n3"]), {0, 2, 4}),
    (Comparison("eq", "year", ["2"]), set()),
    (Comparison("eq", "even", [True]), {0, 2}),
    (Comparison("eq", "even", [1]), set()),
    (Compound("and", [Comparison("gte", "year", [1]), Comparison("eq", "even", [True])]), {2}),
    (Compound("or", [Comparison("eq", "year", [0]), Comparison("eq", 'a"; --', ["x"])]), {0, 4}),
    (Comparison("lt", "tag", ["n2"]), {0, 1}),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_filters_pass_exactly_the_files_that_they_describe(
    shelf: Shelf, wanted: Filter, expected: set[int]
) -> None:
    store = shelf.stores.create("key:ada").id
    for number in range(4):
        upload = shelf.upload(
            f"Rule number{number} of the house.", "rule.txt", year=number, tag=f"n{number}", even=number % 2 == 0
        )
        shelf.files.add(store, upload)
    shelf.files.add(store, shelf.upload("Rule number4 of the house.", "rule.txt", None, None, **{'a"; --': "x"}))
    shelf.work()
    texts = shelf.found(store, "rule of the house", wanted=wanted)
    assert {int(text.split()[1].removeprefix("number")) for text in texts} == expected


def test_a_narrow_filter_finds_what_a_whole_store_of_better_hits_would_hide(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    for number in range(200):
        shelf.files.add(store, shelf.upload(f"The very same question {number}", "q.txt", kind="common"))
    shelf.files.add(store, shelf.upload("Something else, with one question", "q.txt", kind="rare"))
    shelf.work()
    only = Comparison("eq", "kind", ["rare"])
    assert shelf.found(store, "the very same question", wanted=only) == ["Something else, with one question"]
    assert shelf.found(store, "zebra", wanted=only) == ["Something else, with one question"]


def test_changed_attributes_count_from_the_next_search_on(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    upload = shelf.upload(TONE, "tone.txt", team="a")
    shelf.files.add(store, upload)
    shelf.work()
    shelf.files.set_attributes(store, upload.file_id, {"team": "b"})
    assert shelf.found(store, "plainly", wanted=Comparison("eq", "team", ["a"])) == []
    assert shelf.found(store, "plainly", wanted=Comparison("eq", "team", ["b"])) == [TONE]


def test_a_store_of_another_embedder_is_embedded_anew(shelf: Shelf, database: Database) -> None:
    store = shelf.stores.create("key:ada").id
    shelf.files.add(store, shelf.upload(TONE, "tone.txt"))
    shelf.work()
    later = Shelf(database, shelf.base)
    later.embedder.model_id = "words/2"
    with pytest.raises(Unavailable):
        later.found(store, "plainly")
    later.ingest.embed_anew()
    assert later.found(store, "plainly") == [TONE]


def test_a_batch_counts_its_files_and_can_be_cancelled(shelf: Shelf) -> None:
    store = shelf.stores.create("key:ada").id
    uploads = [shelf.upload(f"text {number}", "t.txt") for number in range(3)]
    batch = shelf.files.add_batch(store, uploads)
    shelf.ingest.step()
    cancelled = shelf.files.cancel(store, batch.id)
    shelf.work()
    counts = shelf.files.batch(store, batch.id).counts
    assert cancelled.cancelled
    assert (counts[FileStatus.COMPLETED], counts[FileStatus.CANCELLED]) == (1, 2)
    assert len(shelf.files.list(store, Slice(limit=2), batch=batch.id).items) == 2
