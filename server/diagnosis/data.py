"""What the operator owns: the data directory and its database, secrets, personas."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from actions import Secrets
from core.errors import Conflict, RepertoryError
from server.cli.persona_check import check_paths
from server.data_directory import locked
from server.diagnosis.check import Check, Status
from server.migrations import check_revision, revisions
from server.settings import Settings


def data_directory(settings: Settings) -> Check:
    """The data directory can be written, and by nobody else."""
    folder = settings.data_dir
    if not folder.exists():
        return Check("data", Status.OK, f"{folder} is made at the first start")
    if not os.access(folder, os.W_OK | os.X_OK) or folder.stat().st_uid != os.getuid():
        return Check("data", Status.FAIL, f"{folder} is not yours", "Change its owner or REPERTORY_DATA_DIR.")
    try:
        with locked(folder):
            held = "no server uses it"
    except Conflict:
        held = "a server uses it"
    if others := _open_to_others(folder):
        return Check("data", Status.WARN, f"{folder} is open to others ({others})", f"Run `chmod 700 {folder}`.")
    return Check("data", Status.OK, f"{folder.resolve()}, {held}")


def database(settings: Settings) -> Check:
    """The database is healthy, and of a schema that this release knows."""
    path = settings.database_path
    if not path.exists():
        return Check("database", Status.OK, "made at the first start")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        return Check("database", Status.FAIL, f"cannot be read: {error}", _RESTORE)
    if health != "ok":
        return Check("database", Status.FAIL, f"damaged: {health}", _RESTORE)
    try:
        check_revision(revision)
    except Conflict as error:
        return Check("database", Status.FAIL, f"schema {revision}", error.message)
    newest = revisions()[-1]
    later = "" if revision == newest else f", becomes {newest} at the next start"
    return Check("database", Status.OK, f"healthy, schema {revision}{later}")


def secrets(settings: Settings) -> Check:
    """Files with secrets can be read by their owner alone."""
    for path in (settings.admin_key_path, settings.oauth_keys_path, settings.secrets_file):
        if path is not None and path.exists() and (others := _open_to_others(path)):
            return Check(
                "secrets", Status.FAIL, f"{path} is open to others ({others})", f"Run `chmod 600 {path}`."
            )
    if settings.secrets_file is None:
        return Check("secrets", Status.OK, "no secrets file")
    try:
        Secrets.read(settings.secrets_file)
    except RepertoryError as error:
        return Check("secrets", Status.FAIL, "not usable", error.message)
    return Check("secrets", Status.OK, str(settings.secrets_file))


def personas(settings: Settings) -> Check:
    """Every persona file can be used."""
    try:
        good, problems = check_paths(settings, [settings.personas_dir])
    except RepertoryError as error:
        return Check("personas", Status.FAIL, "cannot be checked", error.message)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        advice = "Correct the file; `repertory persona check` lists everything."
        return Check("personas", Status.FAIL, f"{problems[0]}{more}", advice)
    if not good:
        return Check("personas", Status.WARN, "none", f"Put a persona file into {settings.personas_dir}.")
    return Check("personas", Status.OK, f"{len(good)} good")


_RESTORE = "Stop the server, keep a copy of the data directory, and restore a backup (`repertory restore`)."


def _open_to_others(path: Path) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"mode {mode:04o}" if mode & 0o077 else ""
