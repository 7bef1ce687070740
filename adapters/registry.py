"""The registry of adapter versions: takes folders in, numbers them, and knows how far each has come.

The database says which versions exist and which one answers; the folder holds their files. Must never know
the engine: loading and warming are the server's work, before it calls `promote`.
"""

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, select

from adapters import tables
from adapters.base import BaseModel
from adapters.datasets.example import JsonValue
from adapters.inspection import ImportLimits, Inspection, inspect, look_around
from adapters.manifest import verify_folder, write_manifest
from adapters.record import Move
from adapters.states import States
from adapters.store import AdapterStore, content_digest
from adapters.version import AdapterVersion, Lineage, VersionState, check_name
from core.clock import Clock, system_clock
from core.database import Database, disk_full
from core.errors import InvalidRequest, NotFound

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A copy that has passed its inspection and waits for a number."""

    folder: Path
    name: str
    digest: str
    base: BaseModel
    inspection: Inspection
    by: str
    lineage: Lineage


class Registry(States):
    """Adapter versions in a database and a folder.

    Args:
        database: holds the rows; its tables exist.
        root: the folder of the files.
        clock: tells the time.
    """

    def __init__(self, database: Database, root: Path, clock: Clock = system_clock) -> None:
        super().__init__(database, AdapterStore(root), clock)

    def import_folder(
        self,
        folder: Path,
        name: str,
        *,
        base: BaseModel,
        limits: ImportLimits,
        by: str = "import",
        lineage: Lineage | None = None,
    ) -> AdapterVersion:
        """Take the adapter in `folder` in as the next version of `name`; the folder may go afterwards.

        An adapter that is there already is not taken in twice: its version is returned.

        Args:
            folder: a folder that PEFT or `adapters.training` wrote.
            name: the adapter's name.
            base: the base that the engine serves.
            limits: what the engine was started for.
            by: who takes it in.
            lineage: what it comes from, as far as that is known.

        Raises:
            AdapterRefused: it cannot be served; `code` says why.
            InvalidRequest: the name is bad, or the weights are damaged.
            Unavailable: the disk is full or failing, or the database is locked; nothing was changed.
        """
        check_name(name)
        look_around(folder, limits)
        try:
            return self._taken_in(folder, name, base, limits, by, lineage or Lineage())
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise disk_full() from error

    def _taken_in(
        self, folder: Path, name: str, base: BaseModel, limits: ImportLimits, by: str, lineage: Lineage
    ) -> AdapterVersion:
        with self._store.incoming(name, folder) as copy:
            look_around(copy, limits)
            inspection = inspect(copy, folder, base, limits)
            digest = content_digest(copy, base.fingerprint)
            with self._database.write() as connection:
                found = self._by_digest(connection, name, digest)
                if found is None:
                    incoming = _Incoming(copy, name, digest, base, inspection, by, lineage)
                    found = self._register(connection, incoming)
        return found

    def list(self, name: str | None = None) -> list[AdapterVersion]:
        """Return all versions, or those of one adapter, by name and number."""
        query = select(tables.versions).order_by(tables.versions.c.name, tables.versions.c.version)
        if name is not None:
            query = query.where(tables.versions.c.name == name)
        with self._database.read() as connection:
            return [self.record.version(row) for row in connection.execute(query)]

    def verify(self, name: str, version: int) -> dict[str, object]:
        """Check the files of a version against its manifest, and the manifest against the row; return it.

        Raises:
            NotFound: there is no such version.
            InvalidRequest: its files are missing or changed.
        """
        wanted = self.get(name, version)
        try:
            manifest = verify_folder(wanted.path)
            digest = content_digest(wanted.path, wanted.base_fingerprint)
        except OSError as error:
            raise InvalidRequest(
                f"The files of {wanted.engine_name!r} cannot be read ({error.strerror}). Restore them, or import "
                "the adapter again.",
                code="adapter_damaged",
            ) from error
        if not wanted.digest == digest == manifest.get("digest"):
            raise InvalidRequest(
                f"The files of {wanted.engine_name!r} are not those that were registered. Import the "
                "adapter again.",
                code="adapter_damaged",
            )
        return manifest

    def reconcile(self) -> None:
        """Remove folders that a crash left without a row. Call it at the start, before any engine runs."""
        with self._database.write() as connection:
            rows = connection.execute(select(tables.versions.c.name, tables.versions.c.version))
            known = {(row.name, row.version) for row in rows}
            for name in self._store.names():
                self._store.sweep(known, name)

    def store_probe(self, name: str, version: int, probe: Mapping[str, JsonValue]) -> None:
        """Keep what the version answered to the probe prompts, in place of what was kept before.

        Raises:
            NotFound: there is no such version.
        """
        self.get(name, version)
        with self._database.write() as connection:
            here = (tables.probes.c.name == name) & (tables.probes.c.version == version)
            connection.execute(tables.probes.delete().where(here))
            row = {"name": name, "version": version, "probe": dict(probe), "at": self._clock()}
            connection.execute(insert(tables.probes).values(row))

    def probe(self, name: str, version: int) -> dict[str, JsonValue] | None:
        """Return what `store_probe` kept of a version, or None."""
        query = select(tables.probes.c.probe).where(
            tables.probes.c.name == name, tables.probes.c.version == version
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def _by_digest(self, connection: Connection, name: str, digest: str) -> AdapterVersion | None:
        query = select(tables.versions).where(tables.versions.c.name == name, tables.versions.c.digest == digest)
        row = connection.execute(query).one_or_none()
        return None if row is None else self.record.version(row)

    def _register(self, connection: Connection, incoming: _Incoming) -> AdapterVersion:
        name, base, at = incoming.name, incoming.base, self._clock()
        highest = select(tables.versions.c.version).where(tables.versions.c.name == name)
        taken = [*connection.execute(highest).scalars(), *self._store.numbers(name)]
        number = max(taken, default=0) + 1
        parent = incoming.lineage.parent
        if parent is not None and parent not in taken:
            raise NotFound(f"The parent {name}@{parent} does not exist.", code="adapter_version_not_found")
        manifest = {
            "name": name,
            "version": number,
            "digest": incoming.digest,
            "base_fingerprint": base.fingerprint,
            "base_name": base.name,
            "template_hash": base.template_hash,
            "rank": incoming.inspection.rank,
            "modules": incoming.inspection.modules,
            "data": (incoming.inspection.record or {}).get("data"),
            "config": (incoming.inspection.record or {}).get("config"),
            **asdict(incoming.lineage),
            "created_at": at,
            "warnings": list(incoming.inspection.warnings),
        }
        manifest_digest = write_manifest(incoming.folder, manifest)
        self._store.place(incoming.folder, name, number)
        row = {
            "name": name,
            "version": number,
            "state": VersionState.TRAINED.value,
            "rank": incoming.inspection.rank,
            "digest": incoming.digest,
            "manifest_digest": manifest_digest,
            "base_fingerprint": base.fingerprint,
            "template_hash": base.template_hash,
            "warnings": list(incoming.inspection.warnings),
            "created_at": at,
        }
        connection.execute(insert(tables.versions).values(row))
        move = Move(incoming.by, "registered")
        self.record.note(connection, name, number, (None, VersionState.TRAINED), move)
        return self.record.one(connection, name, number)
