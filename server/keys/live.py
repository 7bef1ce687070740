"""The live keys in memory, so that no request waits for the database to know who asks.

What this process changes counts at once; what the command line changes in the same file, within a second.
"""

import logging
import threading
from collections.abc import Mapping

import anyio
from sqlalchemy import Connection, select

from core.database import Database
from core.errors import Unavailable
from core.ids import PrincipalId
from core.principal import Principal
from server.keys import tables
from server.keys.key import digest, key_of, names_a_key

_LOOK_SECONDS = 0.25
_RETRY_SECONDS = 2.0

logger = logging.getLogger(__name__)


class LiveKeys:
    """Principals by the hash of their secret; the whole set is replaced at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = threading.Lock()
        self._principals: Mapping[str, Principal] | None = None

    def find(self, secret: str) -> Principal | None:
        """Return the holder of the live key with this secret. Reads memory only, but for the very first time."""
        principals = self._principals
        if principals is None:
            principals = self.reload()
        return principals.get(digest(secret))

    def is_gone(self, principal: PrincipalId) -> bool:
        """Tell whether a principal is the holder of a key that was revoked. Reads memory only, as `find` does.

        A name is never given again, so who is gone stays so.
        """
        principals = self._principals
        if principals is None:
            principals = self.reload()
        return names_a_key(principal) and all(one.id != principal for one in principals.values())

    def reload(self) -> Mapping[str, Principal]:
        """Read the keys anew. Blocking.

        One reader at a time: an older reading must not replace a newer one.
        """
        with self._reading, self._database.read() as connection:
            rows = connection.execute(select(tables.keys).where(tables.keys.c.revoked_at.is_(None))).all()
            self._principals = {row.secret_hash: key_of(row).principal for row in rows}
            return self._principals

    async def watch(self) -> None:
        """Follow what other connections change, until cancelled."""
        while True:
            try:
                with self._database.read() as connection:
                    await self._follow(connection)
            except Unavailable as error:
                logger.warning("Changes of keys cannot be seen: %s", error.message)
                await anyio.sleep(_RETRY_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        limiter = anyio.CapacityLimiter(1)  # of its own: other work in threads must not hold up a revocation
        seen: int | None = None

        def look() -> int:
            # SQLite changes this number for a connection when any other one has committed something.
            version: int = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            if version != seen:
                self.reload()
            return version

        while True:
            seen = await anyio.to_thread.run_sync(look, limiter=limiter)
            await anyio.sleep(_LOOK_SECONDS)
