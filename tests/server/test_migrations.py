"""The migrations make exactly the tables that the code declares, and take every older database along."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from core.database import Database
from core.errors import Conflict
from retrieval import shelf
from retrieval.word_cache import WordCache
from retrieval.word_index import tokens
from server import migrations
from server.migrations import migrate, revisions
from server.migrations.tables import ALL
from tests.server.conftest import Start

pytestmark = pytest.mark.anyio
SECRET = "rep-of-the-first-release"
PASSAGE = "The library opens at nine."
FIRST: dict[str, dict[str, Any]] = {
    "retrieval_stores": {
        "id": 1,
        "name": "knowledge/old",
        "folder": "knowledge/old",
        "embedder": "model-a",
        "dimensions": 2,
        "generation": 3,
        "synced_at": 5.5,
        "index_generation": 3,
        "index_sha256": "ab",
        "index_count": 1,
    },
    "retrieval_vectors": {"embedder": "model-a", "text_hash": "t1", "vector": b"\x00\x00\x80?\x00\x00\x00\x00"},
    "retrieval_documents": {
        "id": "doc-1",
        "store_id": 1,
        "path": "hours.md",
        "title": "Hours",
        "text": PASSAGE,
        "content_hash": "c1",
    },
    "retrieval_passages": {
        "row": 7,
        "id": "pas-1",
        "store_id": 1,
        "document_id": "doc-1",
        "title": "Hours",
        "heading": "Opening",
        "text": PASSAGE,
        "start": 0,
        "end": 26,
        "text_hash": "t1",
    },
    "adapter_versions": {
        "name": "tuned",
        "version": 3,
        "state": "production",
        "rank": 8,
        "digest": "d",
        "manifest_digest": "m",
        "base_fingerprint": "f",
        "template_hash": "h",
        "warnings": '["slow"]',
        "created_at": 1.5,
    },
    "adapter_probes": {"name": "tuned", "version": 3, "probe": '{"a": 1}', "at": 2.5},
    "adapter_production": {"name": "tuned", "version": 3, "since": 3.5},
    "adapter_transitions": {
        "id": 4,
        "name": "tuned",
        "version": 3,
        "from_state": None,
        "to_state": "trained",
        "by": "import",
        "reason": "registered",
        "override": 0,
        "at": 1.5,
    },
    "action_approvals": {
        "id": "appr-1",
        "principal": "key:old",
        "persona": "plain",
        "conversation": "conv-1",
        "operation": "remove",
        "arguments": '{"contact": "7"}',
        "arguments_hash": "x" * 64,
        "effect": "DELETE /7",
        "state": "done",
        "created_at": 1.5,
        "expires_at": 9.5,
        "decided_at": 2.5,
        "decided_by": "key:boss",
        "sent_at": 3.5,
        "finished_at": 4.5,
        "result_text": "gone",
        "result_status": 204,
        "result_ok": 1,
    },
    "server_keys": {
        "id": "key-1",
        "name": "old",
        "secret_hash": hashlib.sha256(SECRET.encode()).hexdigest(),
        "scopes": '["admin"]',
        "personas": None,
        "bootstrap": 1,
        "created_at": 1.5,
        "revoked_at": None,
    },
    "server_reported_approvals": {"approval_id": "appr-1", "request_digest": "r", "reported_at": 5.5},
}
"""A row of every table as the first release (revision 0001) wrote them; never changed afterwards."""

_DROPPED = {"index_generation"}
"""Columns that later releases have no more."""
_ANY = {"INTEGER": 1, "BOOLEAN": 1, "FLOAT": 1.5, "JSON": "[]", "BLOB": b"x"}


def build(path: Path, revision: str) -> None:
    """Write a database of an earlier revision, with rows in every table."""
    database = Database(path)
    migrate(database, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, row in FIRST.items():
            _insert(connection, table, row)
        connection.execute("INSERT INTO retrieval_passages_fts (retrieval_passages_fts) VALUES ('rebuild')")
    migrate(database, revision)
    database.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables(connection):  # those that came later: any row that fits
            if not connection.execute(f"SELECT 1 FROM {table}").fetchone():
                columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
                _insert(connection, table, {name: _ANY.get(kind, "text") for _, name, kind, *_ in columns})


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'")
    hidden = ("sqlite_", "alembic_", "retrieval_passages_fts")
    return sorted(name for (name,) in found if not name.startswith(hidden))


def content(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in tables(connection)
        }


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def test_a_migrated_database_is_what_the_code_declares(tmp_path: Path) -> None:
    database = Database(tmp_path / "repertory.db")
    migrate(database)
    migrate(database)
    declared = MetaData()
    for metadata in ALL:
        for table in metadata.tables.values():
            table.to_metadata(declared)
    with database.read() as connection:
        names = {row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master")}
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in declared.tables},
        )
        assert compare_metadata(context, declared) == []
    assert not {"retrieval_passages_fts", "retrieval_vocabulary"} & names
    database.close()


def test_a_migrated_database_has_the_triggers_that_the_code_declares(tmp_path: Path) -> None:
    """Alembic compares none; without the one, a removed passage would stay in the indexes."""
    migrated, declared = Database(tmp_path / "migrated.db"), Database(tmp_path / "declared.db")
    migrate(migrated)
    for metadata in ALL:
        metadata.create_all(declared.engine)
    found = []
    for database in (migrated, declared):
        with database.read() as connection:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
            found.append(connection.exec_driver_sql(query).all())
        database.close()

    assert [name for name, _ in found[0]] == ["retrieval_passage_removed"]
    assert found[0] == found[1]


def test_the_first_release_is_built_with_a_row_in_each_of_its_tables(tmp_path: Path) -> None:
    build(tmp_path / "old.db", "0001")
    assert content(tmp_path / "old.db") == {table: [row] for table, row in sorted(FIRST.items())}


@pytest.mark.parametrize("revision", revisions())
async def test_a_database_of_each_release_is_taken_along_whole_and_serves(
    tmp_path: Path, start: Start, revision: str
) -> None:
    path = tmp_path / "repertory.db"
    build(path, revision)
    before = content(path)
    assert all(before.values())
    database = Database(path)
    migrate(database)
    after = content(path)
    for table, rows in before.items():
        held = [{name: value for name, value in row.items() if name not in _DROPPED} for row in rows]
        kept = [{name: row[name] for name in held[0]} for row in after[table]]
        assert kept == held, table
    async with start() as gateway:
        (approval,) = gateway.services.approvals.list()
        assert (approval.id, approval.result and approval.result.text) == ("appr-1", "gone")
        answer = await gateway.ask("plain", "Hello", key=SECRET)
        assert answer.choices[0].message.content
        async with gateway.http(authorization=f"Bearer {SECRET}") as http:
            assert (await http.get("/api/transcripts")).json()["data"][0]["principal"] == "key:old"
    with database.read() as connection:
        store = shelf.find_store(connection, "knowledge/old")
    assert store is not None
    words = WordCache(database, tmp_path / "indexes").get(store)
    assert words.search(dict.fromkeys(tokens("opens"), 1.0), 5).rows.tolist() == [7]
    database.close()


def test_what_files_are_called_is_what_alembic_makes_of_them() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert revisions() == tuple(reversed([one.revision for one in script.walk_revisions()]))


def test_a_database_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "repertory.db"
    build(path, revisions()[-1])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = content(path)
    database = Database(path)
    with pytest.raises(Conflict, match=f"'9999'.*'{revisions()[-1]}'") as caught:
        migrate(database)
    database.close()
    assert caught.value.code == "schema_too_new"
    assert content(path) == before
