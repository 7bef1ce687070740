"""Files that are whole or absent, and a folder that one process at a time writes."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_json(path: Path, content: object) -> None:
    """Write `content` beside `path`, then rename, so that a reader never sees half a file."""
    beside = path.with_name(f"{path.name}.tmp")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process writes `folder`, and keep others out.

    The lock is the kernel's: it goes with the process. A trainer whose parent was killed takes a moment to end.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
