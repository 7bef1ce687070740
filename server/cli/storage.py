"""The data directory as the command line opens it, with or without a running server."""

from core.database import Database
from core.errors import InvalidRequest
from server.migrations import migrate
from server.settings import Settings


def open_database(settings: Settings) -> Database:
    """Open the database, made and brought up to date where needed.

    Raises:
        InvalidRequest: the data directory cannot be made or written.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not settings.database_path.exists():
            settings.database_path.touch(mode=0o600)  # SQLite gives its -wal and -shm the same rights
    except OSError as error:
        raise InvalidRequest(
            f"The data directory {str(settings.data_dir)!r} cannot be made or written ({error.strerror}). Set "
            "REPERTORY_DATA_DIR to a folder that you may write."
        ) from error
    database = Database(settings.database_path)
    migrate(database)
    return database
