"""A store follows its folder: what changed is read, what did not is left, and nothing is half done."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.errors import InvalidRequest, NotFound, Unavailable
from retrieval import Knowledge, SyncProgress
from retrieval.records import Vectors
from retrieval.tables import vectors
from tests.fakes.embedder import WordEmbedder
from tests.retrieval.conftest import RETURNS


def test_first_sync_adds_every_document(knowledge: Knowledge, folder: Path) -> None:
    report = knowledge.sync("support", folder)

    assert report.added == ("returns.md", "tone.txt")
    assert report.failures == ()
    [status] = knowledge.stores()
    assert (status.documents, status.passages, status.current) == (2, 3, True)


def test_second_sync_of_the_same_folder_embeds_nothing(
    knowledge: Knowledge, folder: Path, embedder: WordEmbedder
) -> None:
    knowledge.sync("support", folder)
    embedder.embedded.clear()

    report = knowledge.sync("support", folder)

    assert (report.unchanged, report.changed, report.passages_embedded) == (2, False, 0)
    assert embedder.embedded == []


def test_only_the_changed_passage_of_a_changed_file_is_embedded_again(
    knowledge: Knowledge, folder: Path, embedder: WordEmbedder
) -> None:
    knowledge.sync("support", folder)
    embedder.embedded.clear()
    (folder / "returns.md").write_text(RETURNS.replace("Tallinn", "Riga"))

    report = knowledge.sync("support", folder)

    assert report.updated == ("returns.md",)
    [embedded] = embedder.embedded
    assert "Riga" in embedded
    assert embedded.startswith("Returns > Error codes\n")


def test_removed_file_leaves_the_store_and_its_vectors_go(
    knowledge: Knowledge, folder: Path, database: Database
) -> None:
    knowledge.sync("support", folder)
    (folder / "returns.md").unlink()

    report = knowledge.sync("support", folder)

    assert report.removed == ("returns.md",)
    assert not knowledge.search(["support"], "ERR-4711").passages
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(vectors)).scalar_one() == 1


def test_document_keeps_its_id_over_changes_and_passages_quote_it_exactly(
    knowledge: Knowledge, folder: Path
) -> None:
    knowledge.sync("support", folder)
    before = knowledge.search(["support"], "boots bought in a sale").passages[0]
    preface = "A preface of some length, about nothing much at all.\n" * 8
    (folder / "returns.md").write_text(preface.replace("\n", "\r\n") + RETURNS)
    knowledge.sync("support", folder)

    after = knowledge.search(["support"], "boots bought in a sale").passages[0]
    document = knowledge.document(after.document_id)

    assert after.document_id == before.document_id
    assert after.start == before.start + len(preface)
    assert document.text[after.start : after.end] == after.text


def test_missing_folder_is_refused_and_empties_nothing(knowledge: Knowledge, folder: Path) -> None:
    knowledge.sync("support", folder)

    with pytest.raises(InvalidRequest, match="does not exist") as refusal:
        knowledge.sync("support", folder / "unmounted")

    assert refusal.value.code == "knowledge_folder_missing"
    assert knowledge.stores()[0].documents == 2


def test_bad_files_are_reported_one_by_one_and_the_others_proceed(
    knowledge: Knowledge, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.md").write_text("outside")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "lost.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "loop").symlink_to(folder)
    (folder / "latin.md").write_bytes("Größe".encode("latin-1"))
    (folder / "nul.txt").write_bytes(b"a\0b")
    (folder / "empty.md").write_text(" \n")
    (folder / "huge.txt").write_bytes(b"word " * 1_700_000)
    (folder / "photo.heic").write_bytes(b"ftyp")
    os.mkfifo(folder / "pipe.md")
    (folder / ".hidden.md").write_text("not listed at all")

    report = knowledge.sync("support", folder)

    assert report.added == ("returns.md", "tone.txt")
    reasons = {failure.path: failure.reason for failure in report.failures}
    expected = {
        "link.md": "out of the folder",
        "lost.md": "link to nothing",
        "loop": "link to a folder",
        "latin.md": "not UTF-8",
        "nul.txt": "NUL",
        "empty.md": "empty",
        "huge.txt": "larger than 8 MB",
        "photo.heic": "Only Markdown",
        "pipe.md": "not a regular file",
    }
    assert reasons.keys() == expected.keys()
    assert all(words in reasons[path] for path, words in expected.items())


def test_file_that_became_unreadable_keeps_its_last_good_text(knowledge: Knowledge, folder: Path) -> None:
    knowledge.sync("support", folder)
    (folder / "tone.txt").write_bytes(b"\xff broken")

    report = knowledge.sync("support", folder)

    assert report.removed == ()
    assert knowledge.search(["support"], "never blame the customer").passages[0].path == "tone.txt"


def test_byte_order_marks_are_read_and_dropped(knowledge: Knowledge, folder: Path) -> None:
    (folder / "eight.txt").write_text("signed with a mark", encoding="utf-8-sig")
    (folder / "sixteen.txt").write_text("wide letters here", encoding="utf-16")

    knowledge.sync("support", folder)

    found = knowledge.search(["support"], "signed with a mark").passages[0]
    assert knowledge.document(found.document_id).text == "signed with a mark"
    assert knowledge.search(["support"], "wide letters here").passages[0].text == "wide letters here"


def test_progress_counts_up_to_every_file(knowledge: Knowledge, folder: Path) -> None:
    steps: list[SyncProgress] = []

    knowledge.sync("support", folder, steps.append)

    assert steps[0].files_done == 0
    assert (steps[-1].files_done, steps[-1].files_total, steps[-1].passages_embedded) == (2, 2, 3)


def test_store_of_another_embedder_is_embedded_anew_and_refused_until_then(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path
) -> None:
    knowledge.sync("support", folder)
    other = WordEmbedder("words/2", dimensions=48)
    successor = Knowledge(database, other, index_dir)
    with pytest.raises(Unavailable) as refusal:
        successor.search(["support"], "boots")
    assert refusal.value.code == "store_outdated"

    report = successor.sync("support", folder)

    assert (report.unchanged, report.passages_embedded) == (2, 3)
    assert successor.search(["support"], "boots bought in a sale").passages[0].path == "returns.md"
    with database.read() as connection:
        assert set(connection.execute(select(vectors.c.embedder)).scalars()) == {"words/2"}


def test_failed_new_embedding_loses_no_old_vector(
    knowledge: Knowledge, folder: Path, database: Database, index_dir: Path
) -> None:
    class Broken(WordEmbedder):
        def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
            raise Unavailable("The embedding process died twice.", code="embedder_unavailable")

    knowledge.sync("support", folder)
    with pytest.raises(Unavailable, match="died twice"):
        Knowledge(database, Broken("words/2"), index_dir).sync("support", folder)

    assert knowledge.search(["support"], "boots bought in a sale").passages[0].path == "returns.md"


def test_unknown_document_and_store_are_not_found(knowledge: Knowledge) -> None:
    with pytest.raises(NotFound, match="doc-x"):
        knowledge.document("doc-x")
    with pytest.raises(NotFound, match="nowhere"):
        knowledge.search(["nowhere"], "boots")
