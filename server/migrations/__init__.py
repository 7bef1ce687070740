"""Brings the database to the schema of this release, with Alembic. Knows every feature's tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from core.database import Database


def migrate(database: Database) -> None:
    """Run the migrations that the database has not seen yet."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
