"""An upload whose worker is killed between embedding and swap, or anywhere else, is gone on with."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.database import Database
from retrieval.vector_store import FileStatus
from tests.retrieval.test_vector_stores import Shelf

_REPOSITORY = Path(__file__).resolve().parents[2]
_PROGRAM = """
import sys
from pathlib import Path
from core.database import Database
from retrieval import shelf as rows
from tests.retrieval.test_vector_stores import Shelf

base, point = Path(sys.argv[1]), sys.argv[2]
shelf = Shelf(Database(base / "repertory.db"), base)

def stop(*_):
    print(point, flush=True)
    sys.stdin.read()

if point == "before the parser":
    shelf.parser.parse = stop
if point == "before the vectors":
    shelf.embedder.embed = stop
put = rows.put_document
def swap(connection, store, document, made):
    if point == "before the swap":
        stop()
    put(connection, store, document, made)
    if point == "within the swap":
        stop()
rows.put_document = swap
shelf.ingest.step()
stop()
"""


@pytest.mark.parametrize(
    "point",
    ["before the parser", "before the vectors", "before the swap", "within the swap", "after all"],
)
def test_a_killed_worker_leaves_a_file_waiting_or_completed_and_the_next_one_goes_on(
    database: Database, tmp_path: Path, point: str
) -> None:
    shelf = Shelf(database, tmp_path)
    store = shelf.stores.create("key:ada").id
    text = "\n\n".join(f"Rule number{number}. " + f"It says case{number}. " * 40 for number in range(50))
    upload = shelf.upload(text, "rules.txt")
    shelf.files.add(store, upload)

    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), point],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_REPOSITORY,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().decode().strip() == point
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()

    done = point == "after all"
    expected = FileStatus.COMPLETED if done else FileStatus.IN_PROGRESS
    assert shelf.files.get(store, upload.file_id).status is expected
    assert bool(shelf.found(store, "number7 case7")) == done
    shelf.work()
    assert shelf.files.get(store, upload.file_id).status is FileStatus.COMPLETED
    assert any("case7" in one for one in shelf.found(store, "number7 case7"))
    paid_before = point in ("before the swap", "within the swap", "after all")
    assert bool(shelf.embedder.embedded) != paid_before


def test_a_file_that_stops_the_server_again_and_again_fails(database: Database, tmp_path: Path) -> None:
    shelf = Shelf(database, tmp_path)
    store = shelf.stores.create("key:ada").id
    upload = shelf.upload("text", "t.txt")
    shelf.files.add(store, upload)

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    shelf.parser.parse = kill  # type: ignore[method-assign, assignment]
    for _ in range(5):
        with pytest.raises(Killed):
            shelf.ingest.step()
    shelf.ingest.step()
    failed = shelf.files.get(store, upload.file_id)
    assert (failed.status, failed.error_code) == (FileStatus.FAILED, "server_error")
