"""Brings the database to the schema of this release, with Alembic. Knows every feature's tables.

Alembic is imported only where there is something to bring: every command of the command line comes by here.
"""

import re
from pathlib import Path

from sqlalchemy import Connection

from core.database import Database
from core.errors import Conflict

_HERE = Path(__file__).parent
_REVISION = re.compile(r"rev_(\d{4})_\w+\.py")


def migrate(database: Database, to: str | None = None) -> None:
    """Run the migrations that the database has not seen yet, up to the revision `to`, else all.

    Raises:
        Conflict: a newer release wrote the database.
    """
    to = to or revisions()[-1]
    with database.read() as connection:
        if revision_of(connection) == to:
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    with database.write() as connection:
        check_revision(revision_of(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision_of(connection: Connection) -> str | None:
    """Return the schema's revision; None in a database without tables."""
    kept = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
    if kept is None:
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def revisions() -> tuple[str, ...]:
    """Return the revisions that this release knows, the first one first: their files are named after them."""
    names = (_REVISION.fullmatch(path.name) for path in (_HERE / "versions").iterdir())
    return tuple(sorted(name[1] for name in names if name))


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
