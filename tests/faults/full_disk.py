"""A child that fills its disk: `python -m tests.faults.full_disk limit|mount FOLDER` prints what it was told.

`mount` lays a file system of two megabytes over the folder, in a mount namespace of its own; `limit` lets no file
grow, which needs no rights.
"""

import contextlib
import ctypes
import functools
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, func, insert, select

from adapters import tables
from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.registry import Registry
from core.database import Database
from core.errors import RepertoryError
from tests.adapters.tiny import make_adapter, make_base
from tests.engine.server import ROOT

_CLONE_NEWNS = 0x00020000
metadata = MetaData()
lumps = Table("lumps", metadata, Column("number", Integer, primary_key=True), Column("bytes", LargeBinary))


@functools.cache
def kinds() -> tuple[str, ...]:
    """Return the ways of filling a disk that this machine allows."""
    probe = [sys.executable, "-m", "tests.faults.full_disk", "can-mount"]
    can = subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode == 0
    return ("limit", "mount") if can else ("limit",)


def mount(folder: Path, megabytes: int = 2) -> None:
    """Lay a small disk over `folder`, for this process alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path, kind: str) -> Iterator[None]:
    """Leave no room for the length of the block."""
    if kind == "mount":
        with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield
        (folder / "filler").unlink()
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def told(work: Callable[[], object]) -> str:
    """Return the code of the error that `work` raises, or "done"."""
    try:
        work()
    except RepertoryError as error:
        return error.code
    return "done"


def main(kind: str, folder: Path) -> dict[str, object]:
    """Write, fill the disk, try to write, free it, write again; return what each try said."""
    base = BaseModel.load(make_base(folder.parent / "base"))
    sources = [make_adapter(folder.parent / f"adapter{seed}", seed=seed) for seed in range(3)]
    if kind == "mount":
        mount(folder)
    database = Database(folder / "repertory.db")
    metadata.create_all(database.engine)
    tables.metadata.create_all(database.engine)
    registry = Registry(database, folder / "adapters")

    def keep() -> None:
        with database.write() as connection:
            connection.execute(insert(lumps).values(bytes=bytes(50_000)))

    def take_in(source: Path) -> None:
        registry.import_folder(source, "coach", base=base, limits=ImportLimits())

    def kept() -> int:
        with database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(lumps)).scalar_one())

    answers: dict[str, object] = {"before": [told(keep), told(lambda: take_in(sources[0]))]}
    with filled(folder, kind):
        answers["full"] = [told(keep), told(lambda: take_in(sources[1]))]
        answers["kept while full"] = [kept(), len(registry.list())]
    answers["after"] = [told(keep), told(lambda: take_in(sources[1]))]
    answers["kept"] = [kept(), [version.version for version in registry.list()]]
    for version in registry.list():
        registry.verify(version.name, version.version)
    answers["left behind"] = sorted(path.name for path in (folder / "adapters" / "coach").glob(".*"))
    database.close()
    return answers


if __name__ == "__main__":
    if sys.argv[1:] == ["can-mount"]:
        if shutil.which("mount") is None:
            sys.exit(1)
        mount(Path("/mnt"))
    else:
        print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201  to whoever started it
