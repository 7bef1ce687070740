"""The log file of a child process: opened for adding, begun anew when it has grown too large.

A child writes into it for as long as it runs, so it is only turned over while nobody does: before a start.
"""

from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 10_000_000


def opened(path: Path, *, most: int = MOST_BYTES) -> BinaryIO:
    """Open `path` for adding; what is larger than `most` becomes `<name>.1`, and takes the place of an older one.

    Raises:
        OSError: it cannot be opened, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > most:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
