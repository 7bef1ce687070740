"""A folder held by one process, or shared by several: the lock is the kernel's, and ends with a killed one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(folder: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold `folder` until the block ends.

    Args:
        folder: which must exist.
        shared: let others hold it likewise.
        wait: until it is free.

    Raises:
        BlockingIOError: another holds it, and `wait` is False.
        OSError: it cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
