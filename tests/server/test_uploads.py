"""Uploads over restarts, in backups, past their time; and what of a folder could not be read."""

import hashlib
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from adapters.datasets import Datasets, Reference
from core.blobs import Blobs
from core.database import Database
from core.errors import NotFound
from core.paging import Slice
from retrieval.store_files import StoreFiles
from retrieval.vector_store import Upload
from retrieval.vector_stores import VectorStores
from server.backup.restoration import restore
from server.backup.taking import take
from server.files.store import Files, NewFile
from server.files.tables import files
from server.migrations import migrate
from tests.fakes.embedder import WordEmbedder
from tests.faults.dataset_stories import datasets
from tests.server.conftest import Gateway, Start

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0


class Mute:
    """Hears a story and says nothing."""

    def attempt(self, *fact: object) -> None:
        return

    def acknowledge(self, *fact: object) -> None:
        return


def kept(store: Files, content: bytes, name: str = "note.txt", expires_in: int | None = None) -> str:
    draft = store.blobs.draft()
    draft.write(content)
    draft.finish()
    return store.add(draft, NewFile("anonymous", name, "assistants", expires_in)).id


async def status_of(gateway: Gateway, store: str) -> str:
    async with gateway.http() as http:
        found: dict[str, Any] = (await http.get(f"/v1/vector_stores/{store}")).json()
    return str(found["status"])


async def test_what_waited_when_the_server_died_is_read_after_the_next_start(tmp_path: Path, start: Start) -> None:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    file = kept(Files(database, Blobs(tmp_path / "blobs"), lambda: NOW), b"The cat sleeps at noon.")
    store = VectorStores(database, WordEmbedder(dimensions=384), lambda: NOW).create("anonymous").id
    sha256 = hashlib.sha256(b"The cat sleeps at noon.").hexdigest()
    StoreFiles(database, lambda: NOW).add(store, Upload(file, "note.txt", 23, sha256, {}))
    database.close()
    (tmp_path / "blobs" / "incoming" / "half").write_bytes(b"half a fi")

    async with start() as gateway:
        with anyio.fail_after(20):
            while await status_of(gateway, store) != "completed":
                await anyio.sleep(0.02)
        async with gateway.http() as http:
            hits = (await http.post(f"/v1/vector_stores/{store}/search", json={"query": "cat"})).json()["data"]
    assert [hit["file_id"] for hit in hits] == [file]
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_a_file_that_goes_while_it_is_attached_is_not_attached_and_neither_to_a_store_that_goes(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    held = Files(database, Blobs(tmp_path / "blobs"), lambda: NOW)
    stores = VectorStores(database, WordEmbedder(dimensions=384), lambda: NOW)
    entries = StoreFiles(database, lambda: NOW, held.check)
    gone, kept_one = (Upload(kept(held, content), "n.txt", 3, content.hex(), {}) for content in (b"one", b"two"))
    store = stores.create("anonymous").id

    held.delete(gone.file_id)
    with pytest.raises(NotFound, match="No such file"):
        entries.add_batch(store, [kept_one, gone])
    assert entries.list(store, Slice()).items == ()

    stores.delete(store)
    with pytest.raises(NotFound, match="No such vector store"):
        entries.add(store, kept_one)


def test_bytes_without_a_row_go_and_bytes_of_a_row_stay(tmp_path: Path) -> None:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    store = Files(database, Blobs(tmp_path / "blobs"), lambda: NOW)
    first, second = kept(store, b"same"), kept(store, b"same")
    orphan = store.blobs.draft()
    orphan.write(b"orphan")
    orphan.finish()
    store.blobs.keep(orphan)
    store.drop_orphans(lambda: False)
    assert list(store.blobs.held()) == [hashlib.sha256(b"same").hexdigest()]
    store.delete(first)
    assert store.blobs.path(store.get(second, "anonymous").sha256).read_bytes() == b"same"
    database.close()


async def test_a_file_past_its_time_is_no_more(gateway: Gateway) -> None:
    store = gateway.services.uploads.files
    file = await anyio.to_thread.run_sync(kept, store, b"soon gone", "a.txt", 3_600)
    with gateway.services.keys._database.write() as connection:
        connection.execute(update(files).values(expires_at=NOW - 1))
    async with gateway.http() as http:
        assert (await http.get(f"/v1/files/{file}")).status_code == 404
        assert (await http.get("/v1/files")).json()["data"] == []
    await anyio.to_thread.run_sync(gateway.services.uploads.sweep)
    assert list(store.blobs.held()) == []


async def test_a_large_upload_goes_to_disk_in_little_memory(gateway: Gateway) -> None:
    async with gateway.http() as http:
        boundary, megabyte = "frontier", b"x" * 1_000_000

        async def body() -> Any:
            yield f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'.encode()
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            yield head.encode()
            for _ in range(60):
                yield megabyte
            yield f"\r\n--{boundary}--\r\n".encode()

        tracemalloc.start()
        media = f"multipart/form-data; boundary={boundary}"
        answer = await http.post("/v1/files", content=body(), headers={"content-type": media})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["bytes"]) == (200, 60_000_000)
    assert most < 20_000_000


def test_a_backup_has_the_uploads_and_gives_them_back(tmp_path: Path) -> None:
    data, back = tmp_path / "data", tmp_path / "back"
    data.mkdir()
    database = Database(data / "repertory.db")
    migrate(database)
    store = Files(database, Blobs(data / "blobs"), lambda: NOW)
    file = kept(store, b"kept in the backup")
    lost = kept(store, b"lost")
    store.blobs.remove(store.get(lost, "anonymous").sha256)
    database.close()

    taken = take(data, tmp_path / "one.tar.gz", lambda: NOW)
    restore(tmp_path / "one.tar.gz", back, lambda: NOW)

    assert len(taken.warnings) == 1
    restored = Database(back / "repertory.db")
    again = Files(restored, Blobs(back / "blobs"), lambda: NOW)
    assert again.blobs.path(again.get(file, "anonymous").sha256).read_bytes() == b"kept in the backup"
    restored.close()


def test_a_backup_has_the_data_sets_and_their_parts_and_gives_them_back(tmp_path: Path) -> None:
    data, back = tmp_path / "data", tmp_path / "back"
    data.mkdir()
    database = Database(data / "repertory.db")
    migrate(database)
    datasets(data, Mute())
    database.close()

    assert take(data, tmp_path / "one.tar.gz", lambda: NOW).warnings == ()
    restore(tmp_path / "one.tar.gz", back, lambda: NOW)

    restored = Database(back / "repertory.db")
    shelf = Datasets(restored, back / "datasets", lambda: NOW)
    (_, version) = shelf.list("talks")
    assert shelf.file(Reference("talks", 2)).read_bytes() == (data / "talks2.jsonl").read_bytes()
    assert [shelf.part_file(part).is_file() for part in version.parts] == [True, True]
    restored.close()


async def test_what_of_a_folder_could_not_be_read_is_shown(gateway: Gateway) -> None:
    folder = gateway.personas_dir.parent / "knowledge" / "library"
    (folder / "program.exe").write_bytes(b"MZ")
    await gateway.services.sync.run()
    async with gateway.admin() as admin:
        (one,) = (await admin.get("/api/knowledge/stores")).json()["data"]
        assert [note["path"] for note in one["failures"]] == ["program.exe"]
        (folder / "program.exe").unlink()
        await gateway.services.sync.run()
        (one,) = (await admin.get("/api/knowledge/stores")).json()["data"]
    assert one["failures"] == []
