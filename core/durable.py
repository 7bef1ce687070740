"""Bringing what was written to disk, so that neither a crash nor a power cut takes it back."""

import os
from pathlib import Path


def bring_to_disk(path: Path) -> None:
    """Bring a file's bytes, or the names in a folder, to disk.

    Raises:
        OSError: the disk is failing, or there is nothing at `path`.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
