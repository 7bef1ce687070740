"""The data directory: made, locked by one gateway, its database brought up to date."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from core.errors import Conflict, Unavailable
from core.folder_lock import held


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Make the data directory and hold it; a second gateway is refused.

    The lock is the kernel's, on the folder itself: it goes with the process, even after kill -9.

    Raises:
        Conflict: another gateway holds it.
        Unavailable: the folder cannot be made or opened.
    """
    with ExitStack() as stack:
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            stack.enter_context(held(data_dir, wait=False))
        except BlockingIOError as error:
            raise Conflict(
                f"Another Repertory serves {str(data_dir)!r}. Stop it, or set REPERTORY_DATA_DIR and "
                "REPERTORY_PORT for a second one.",
                code="data_dir_locked",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"The data directory {str(data_dir)!r} cannot be used: {error.strerror}. "
                "Set REPERTORY_DATA_DIR to a folder that you may write to.",
                code="data_dir_unusable",
            ) from error
        yield
