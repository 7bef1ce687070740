"""Brings the database to the schema of this release, with Alembic. Knows every feature's tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Database
from core.errors import Conflict


def migrate(database: Database, to: str = "head") -> None:
    """Run the migrations that the database has not seen yet, up to the revision `to`.

    Raises:
        Conflict: a newer release wrote the database.
    """
    config = _config()
    with database.write() as connection:
        check_revision(revision_of(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision_of(connection: Connection) -> str | None:
    """Return the schema's revision; None in a database without tables."""
    return MigrationContext.configure(connection).get_current_revision()


def revisions() -> tuple[str, ...]:
    """Return the revisions that this release knows, the first one first."""
    script = ScriptDirectory.from_config(_config())
    return tuple(reversed([one.revision for one in script.walk_revisions()]))


def check_revision(revision: str | None) -> None:
    """Refuse a schema that this release does not know.

    Raises:
        Conflict: a newer release wrote it.
    """
    known = revisions()
    if revision is not None and revision not in known:
        raise Conflict(
            f"A newer release of Repertory wrote this database: its schema is {revision!r}, and this release "
            f"knows up to {known[-1]!r}. Install that release again, or restore a backup from before it.",
            code="schema_too_new",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
