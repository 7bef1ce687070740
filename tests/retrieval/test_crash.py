"""A sync that is killed leaves every document old or new, and the next one completes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from retrieval import Knowledge
from tests.fakes.embedder import WordEmbedder

_REPOSITORY = Path(__file__).resolve().parents[2]
_FILES = 6
_PROGRAM = """
import sys
from pathlib import Path
from core.database import Database
from retrieval import Knowledge
from tests.fakes.embedder import WordEmbedder

base = Path(sys.argv[1])
knowledge = Knowledge(Database(base / "repertory.db"), WordEmbedder(), base / "indexes")
knowledge.sync("support", base / "knowledge", lambda step: print("step", flush=True))
"""


def _write(folder: Path, version: str) -> None:
    for number in range(_FILES):
        body = f"The {version} rule number{number} says what to do in case{number}. " * 30
        (folder / f"rule{number}.md").write_text(f"# Rule {number}\n\n{body}")


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 11, 13])
def test_killed_sync_leaves_each_document_old_or_new(
    tmp_path: Path, database: Database, folder: Path, index_dir: Path, steps: int
) -> None:
    for path in folder.iterdir():
        path.unlink()
    _write(folder, "old")
    Knowledge(database, WordEmbedder(), index_dir).sync("support", folder)
    _write(folder, "new")
    (folder / "rule0.md").unlink()

    _sync_and_kill(tmp_path, steps)

    _check_every_document_is_whole(database)
    survivor = Knowledge(database, WordEmbedder(), index_dir)
    assert survivor.search(["support"], "rule number3 says what to do in case3", floor=0.0).passages
    survivor.sync("support", folder)
    _check_every_document_is_whole(database)
    found = survivor.search(["support"], "rule number3 says what to do", top_k=20, floor=0.0).passages
    assert {passage.text.split()[1] for passage in found} == {"new"}
    assert survivor.stores()[0].documents == _FILES - 1
    assert survivor.sync("support", folder).passages_embedded == 0


def _sync_and_kill(base: Path, steps: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(base)], stdout=subprocess.PIPE, cwd=_REPOSITORY
    )
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(steps)]
    process.kill()
    process.wait()
    process.stdout.close()
    assert seen[0] == b"step\n"


def _check_every_document_is_whole(database: Database) -> None:
    with database.read() as connection:
        for document in connection.execute(text("SELECT id, text FROM retrieval_documents")).all():
            rows = connection.execute(
                text(
                    'SELECT p.start, p."end", p.text, v.vector FROM retrieval_passages AS p'
                    " LEFT JOIN retrieval_vectors AS v ON v.text_hash = p.text_hash WHERE document_id = :id"
                ),
                {"id": document.id},
            ).all()
            assert len({word for word in ("old", "new") if word in document.text}) == 1
            assert sum(len(row.text) for row in rows) > 0.9 * len(document.text) - 20
            assert all(document.text[row.start : row.end] == row.text and row.vector for row in rows)
        orphans = (
            "SELECT count(*) FROM retrieval_passages WHERE document_id NOT IN (SELECT id FROM retrieval_documents)"
        )
        assert connection.execute(text(orphans)).scalar_one() == 0
