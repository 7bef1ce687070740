"""The migrations make exactly the tables that the code declares."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from core.database import Database
from server.migrations import migrate
from server.migrations.tables import ALL


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
    assert {"retrieval_passages_fts", "retrieval_vocabulary"} <= names
    database.close()
