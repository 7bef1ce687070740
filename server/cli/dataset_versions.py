"""What is known of data sets, as the command line reads it; imports nothing that checks or measures them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from adapters.datasets import Datasets, DatasetVersion, Reference
from core.clock import system_clock
from server.cli.session import Session


@contextmanager
def datasets_of(session: Session) -> Iterator[Datasets]:
    """Open the data sets of the data directory."""
    with session.database() as database:
        yield Datasets(database, session.settings().datasets_dir, system_clock)


def versions_of(session: Session, which: str | None) -> list[DatasetVersion]:
    """Return all versions, those of one data set, or one.

    Raises:
        NotFound: there is none.
    """
    with datasets_of(session) as datasets:
        if which is None:
            return datasets.list()
        reference = Reference.parse(which)
        newest = datasets.get(reference)
        return datasets.list(reference.name) if reference.version is None else [newest]


def training_file(session: Session, data: str) -> tuple[Path, str]:
    """Return the file to train on, and its name: `data` itself, or the version or part that it names.

    Raises:
        InvalidRequest: it is neither.
    """
    if os.path.isfile(data):  # noqa: PTH113  # of a name that no disk takes, Path raises
        return Path(data), Path(data).name
    with datasets_of(session) as datasets:
        wanted = Reference.parse(data)
        version = datasets.get(wanted)
        path = datasets.file(replace(wanted, version=version.version))
    return path, version.reference if wanted.part is None else f"{version.reference}/{wanted.part}"
