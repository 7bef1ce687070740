"""Whatever is uploaded, shared, taken back and removed: a passage is found by those who may read its store."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.database import Database
from core.errors import NotFound
from core.paging import Slice
from retrieval.tables import metadata
from retrieval.vector_store import EVERYONE
from tests.retrieval.test_vector_stores import Shelf

PEOPLE = ("key:ada", "key:bob", "anonymous")
_person = st.sampled_from(PEOPLE)
_place = st.integers(0, 3)
_step = st.one_of(
    st.tuples(st.just("create"), _person, _place),
    st.tuples(st.just("upload"), _place, st.integers(0, 5)),
    st.tuples(st.just("share"), _place, st.sampled_from([*PEOPLE, EVERYONE])),
    st.tuples(st.just("unshare"), _place, st.sampled_from([*PEOPLE, EVERYONE])),
    st.tuples(st.just("remove"), _place, st.integers(0, 5)),
    st.tuples(st.just("delete"), _place, _place),
    st.tuples(st.just("ask"), _person, _place),
)


@dataclass
class Model:
    """What should be true of one store, in plain Python."""

    owner: str
    readers: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    def open_to(self, reader: str) -> bool:
        return reader == self.owner or bool(self.readers & {reader, EVERYONE})


@settings(max_examples=60)
@given(st.lists(_step, max_size=40))
def test_no_sequence_of_uploads_shares_and_removals_shows_a_passage_to_a_stranger(
    steps: list[tuple[str, int | str, int | str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "repertory.db")
        metadata.create_all(database.engine)
        shelf = Shelf(database, Path(folder))
        known: dict[str, Model] = {}
        for name, first, second in steps:
            _act(shelf, known, name, first, second)
            if name == "ask":
                _check(shelf, known, str(first))
        for reader in PEOPLE:
            _check(shelf, known, reader)
        shelf.knowledge.close()
        shelf.knowledge.settle()  # else an index is written into a folder that is gone
        database.close()


def _act(shelf: Shelf, known: dict[str, Model], name: str, first: int | str, second: int | str) -> None:
    if name == "create":
        known[shelf.stores.create(str(first)).id] = Model(str(first))
        return
    if name == "ask" or not known:
        return
    store = sorted(known)[int(first) % len(known)]
    model = known[store]
    if name == "upload":
        text = f"secret{second} of {store} in word{second}"
        shelf.files.add(store, shelf.upload(text, "note.txt", file_id=f"file-{second}"))
        shelf.work()
        model.files.add(text)
    elif name == "share":
        shelf.stores.share(store, str(second))
        model.readers.add(str(second))
    elif name == "unshare" and str(second) in model.readers:
        shelf.stores.unshare(store, str(second))
        model.readers.discard(str(second))
    elif name == "remove":
        text = f"secret{second} of {store} in word{second}"
        if text in model.files:
            shelf.files.remove(store, f"file-{second}")
            model.files.discard(text)
    elif name == "delete":
        shelf.stores.delete(store)
        del known[store]


def _check(shelf: Shelf, known: dict[str, Model], reader: str) -> None:
    may_read = {store for store, model in known.items() if model.open_to(reader)}
    assert {one.id for one in shelf.stores.list(reader, Slice(limit=100)).items} == may_read
    assert set(shelf.knowledge.readable(sorted(known), reader)) == may_read
    for store, model in known.items():
        documents = [one.document_id or "" for one in shelf.files.list(store, Slice(limit=100)).items]
        if store in may_read:
            assert set(shelf.found(store, "secret of word", reader)) <= model.files
            assert {shelf.knowledge.document(one, reader).text for one in documents} == model.files
            for text in model.files:
                assert text in shelf.found(store, text, reader)
            continue
        try:
            shelf.found(store, "secret of word", reader)
        except NotFound:
            pass
        else:
            raise AssertionError("a stranger searched a store")
        for one in documents:
            try:
                shelf.knowledge.document(one, reader)
            except NotFound:
                continue
            raise AssertionError("a stranger read a document")
    every = sorted(may_read)
    found = shelf.knowledge.search(every, "secret of word", reader=reader, floor=-1.0, top_k=50).passages
    assert {one.text for one in found} <= {text for store in every for text in known[store].files}
