"""Cards, aliases and archives of versions in the data directory, as the command line reads and adds to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters import AdapterVersion, Registry
from adapters.papers import Papers
from core.clock import system_clock
from server.cli.adapter_versions import BY
from server.cli.session import Session
from server.served_base import base_of, limits_of


def import_archive(session: Session, source: Path, name: str | None) -> AdapterVersion:
    """Take an archive in as the next version of `name`, or of the name that it has.

    Raises:
        AdapterRefused: it is damaged or hostile, or cannot be served; the message says why.
    """
    settings = session.settings()
    with papers_of(session) as papers:
        return papers.import_archive(source, name, base=base_of(settings), limits=limits_of(settings), by=BY)


@contextmanager
def papers_of(session: Session) -> Iterator[Papers]:
    """Open what is written about the versions of the data directory."""
    with session.database() as database:
        registry = Registry(database, session.settings().adapters_dir, system_clock)
        yield Papers(database, registry, system_clock)
