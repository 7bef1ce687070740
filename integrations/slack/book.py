"""The program's small database: one writer at a time in this process, in the order in which they came."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from core.database import Database
from core.errors import InvalidRequest
from integrations.slack.tables import metadata


class Book:
    """One SQLite file. Other processes may have it open, too: with them SQLite itself takes turns."""

    def __init__(self, path: Path) -> None:
        try:  # beside a server its folder is there, on another machine it is not
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # what people write stands in it
        except OSError as error:
            raise InvalidRequest(
                f"{str(path)!r} cannot be made or written ({error.strerror}). Set REPERTORY_DATA_DIR to a "
                "folder that you may write.",
                code="slack_database",
            ) from error
        self._database = Database(path)
        self._turn = threading.Lock()  # SQLite lets whoever asks at the right moment in, and others wait for long
        with self._database.write() as connection:  # another process may be at it, too
            metadata.create_all(connection)

    def read(self) -> AbstractContextManager[Connection]:
        """Open a short read transaction."""
        return self._database.read()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Open a write transaction; commit at the end."""
        with self._turn, self._database.write(durable=durable) as connection:
            yield connection

    def close(self) -> None:
        """Close the file."""
        self._database.close()
