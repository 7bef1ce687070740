"""Restoring a backup: unpacked and proven beside the data directory, then renamed into its place.

What was there is renamed aside before, and back if that fails.
"""

import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actions import Approvals, Seal, Tokens
from adapters.jobs import Jobs
from adapters.manifest import verify_folder
from core.clock import Clock
from core.database import Database
from core.durable import bring_to_disk
from core.errors import Conflict, RepertoryError, Unavailable
from server.backup.archive import refused, unpack
from server.backup.contents import ADAPTERS, DATABASE, KEYS
from server.data_directory import locked
from server.hooks.store import HookJobs
from server.migrations import migrate


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored data directory.

    Attributes:
        release: of Repertory that took the backup.
        taken_at: when, in seconds since the epoch.
        aside: where the data directory is that was there before.
        given_up: calls that waited for approval, or were being made, when the backup was taken.
    """

    data_dir: Path
    release: str
    taken_at: float
    aside: Path | None
    given_up: int
    warnings: tuple[str, ...]


def restore(archive: Path, data_dir: Path, clock: Clock, *, replace: bool = False) -> Restored:
    """Make `data_dir` what it was when the backup was taken.

    Args:
        archive: the backup.
        data_dir: must be new or empty, unless `replace` moves it aside.
        clock: names what is moved aside.
        replace: move a data directory that is there aside.

    Raises:
        InvalidRequest: the archive is broken or was tampered with.
        Conflict: something is in the way, a server runs there, or a newer release took the backup.
        Unavailable: the disk is full, or a folder cannot be written; what was there is in its place.
    """
    data_dir = data_dir.absolute()
    _check_free(data_dir, replace=replace)
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staging = Path(tempfile.mkdtemp(prefix=f".{data_dir.name}.restoring-", dir=data_dir.parent))
    except OSError as error:
        raise _unwritable(data_dir, error) from error
    try:
        manifest = unpack(archive, staging)
        given_up, warnings = _prove(staging, manifest.schema_revision, clock)
        aside = _put_in_place(staging, data_dir, clock())
    except OSError as error:
        raise _unwritable(data_dir, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(data_dir, manifest.release, manifest.created_at, aside, given_up, tuple(warnings))


def _check_free(data_dir: Path, *, replace: bool) -> None:
    if not data_dir.exists():
        return
    if any(data_dir.iterdir()) and not replace:
        raise Conflict(
            f"{str(data_dir)!r} is not empty. Set REPERTORY_DATA_DIR to a new folder, or say --replace to move "
            "this one aside.",
            code="data_dir_not_empty",
        )
    with locked(data_dir):
        return


def _prove(folder: Path, revision: str, clock: Clock) -> tuple[int, list[str]]:
    """Check the database, bring it to this release's schema, and let go of calls that may be made already."""
    with closing(sqlite3.connect(folder / DATABASE)) as raw:
        try:
            (health,) = raw.execute("PRAGMA quick_check").fetchone()
            found = raw.execute("SELECT version_num FROM alembic_version").fetchone()
            versions = raw.execute("SELECT name, version FROM adapter_versions").fetchall()
        except sqlite3.Error as error:
            raise refused(f"its database cannot be read ({error})") from error
    if health != "ok" or found != (revision,):
        raise refused("its database is damaged, or not that of its manifest")
    database = Database(folder / DATABASE)
    try:
        migrate(database)
        given_up = Approvals(database, clock).give_up()
        Tokens(database, Seal(folder / KEYS), clock).give_up()
        HookJobs(database, clock).give_up()
        Jobs(database, clock).give_up()
    finally:
        database.close()
    warnings = []
    for name, version in versions:
        try:
            verify_folder(folder / ADAPTERS / str(name) / str(version))
        except RepertoryError:
            warnings.append(f"{name}@{version} is not whole in the backup and cannot be served. Import it again.")
    return given_up, warnings


def _put_in_place(staging: Path, data_dir: Path, now: float) -> Path | None:
    for path in sorted(staging.rglob("*")):
        bring_to_disk(path)
    bring_to_disk(staging)
    aside = None
    with ExitStack() as held:  # no server gets in before all is in its place
        held.enter_context(locked(staging))
        held.enter_context(locked(data_dir))
        if any(data_dir.iterdir()):
            stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
            aside = data_dir.with_name(f"{data_dir.name}.before-restore-{stamp}")
            data_dir.rename(aside)
            try:
                held.enter_context(locked(data_dir))  # an empty folder, so that the name stays ours
            except RepertoryError as error:
                raise _left_aside(data_dir, aside, error.message) from error
        try:
            staging.rename(data_dir)
        except OSError as error:
            if aside:
                _put_back(aside, data_dir, error)
            raise
        bring_to_disk(data_dir.parent)
    return aside


def _put_back(aside: Path, data_dir: Path, reason: OSError) -> None:
    try:
        aside.rename(data_dir)
    except OSError as error:
        raise _left_aside(data_dir, aside, f"{reason.strerror}.") from error


def _left_aside(data_dir: Path, aside: Path, reason: str) -> Conflict:
    return Conflict(
        f"{str(data_dir)!r} was not restored: {reason} What was there before is whole in {str(aside)!r}. Stop "
        f"what uses {str(data_dir)!r}, move that folder back, and restore again.",
        code="restore_left_aside",
    )


def _unwritable(data_dir: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{str(data_dir)!r} was not restored: {error.strerror or error}. Check rights and free space there.",
        code="restore_failed",
    )
