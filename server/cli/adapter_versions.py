"""Adapter versions in the data directory, as the command line reads and adds to them."""

from pathlib import Path

from adapters import AdapterVersion, Registry, Transition
from adapters.demands import COMMAND_LINE
from core.clock import system_clock
from core.errors import NotFound
from server.cli.session import Session
from server.served_base import base_of, limits_of

BY = COMMAND_LINE
"""Who the record names for what is done here."""


def import_version(session: Session, folder: Path, name: str) -> AdapterVersion:
    """Take `folder` in as the next version of `name`.

    Raises:
        AdapterRefused: it cannot be served; the message says why.
    """
    settings = session.settings()
    with session.database() as database:
        registry = Registry(database, settings.adapters_dir, system_clock)
        limits = limits_of(settings)
        return registry.import_folder(folder, name, base=base_of(settings), limits=limits, by=BY)


def versions_of(session: Session, name: str | None = None, version: int | None = None) -> list[AdapterVersion]:
    """Return all versions, those of one adapter, or one version.

    Raises:
        NotFound: there is no such adapter or version.
    """
    with session.database() as database:
        registry = Registry(database, session.settings().adapters_dir, system_clock)
        if name is not None and version is not None:
            return [registry.get(name, version)]
        found = registry.list(name)
    if name is not None and not found:
        raise NotFound(f"No adapter is named {name!r}. `repertory adapter list` shows them.")
    return found


def history_of(session: Session, name: str) -> list[Transition]:
    """Return who moved the versions of an adapter, when and why; oldest first."""
    with session.database() as database:
        return Registry(database, session.settings().adapters_dir, system_clock).history(name)
