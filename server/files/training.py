"""Files that are to be trained on: only sound ones are kept. Knows no HTTP."""

from pathlib import Path

import anyio

from adapters.datasets.apart import check_apart
from adapters.datasets.reading import MAX_FILE_BYTES
from core.errors import InvalidRequest, TooLarge

_SUFFIX = ".jsonl"
_AT_ONCE = 2


class TrainingFiles:
    """Checks uploads with the purpose `fine-tune`, a few at a time; the others wait and hold no thread."""

    def __init__(self) -> None:
        self._turns = anyio.CapacityLimiter(_AT_ONCE)

    async def check(self, path: Path, filename: str, size: int) -> None:
        """Refuse what no training takes.

        Raises:
            InvalidRequest: its name or a line of it is wrong; the message names the lines.
            TooLarge: it is.
        """
        if not filename.lower().endswith(_SUFFIX):
            raise InvalidRequest(
                f"Invalid file format: {filename!r}. A file for fine-tuning is JSON Lines, and its name ends with "
                f"{_SUFFIX}.",
                code="invalid_file_format",
                param="file",
            )
        if size > MAX_FILE_BYTES:
            raise TooLarge(
                f"A file for fine-tuning has at most {MAX_FILE_BYTES} bytes. Split it.",
                code="file_too_large",
                param="file",
            )
        verdict = await anyio.to_thread.run_sync(check_apart, path, filename, limiter=self._turns)
        if verdict.errors:
            told = "\n".join(verdict.told)
            raise InvalidRequest(
                f"Invalid file format: {filename!r} has {verdict.errors} faults.\n{told}",
                code="invalid_file_format",
                param="file",
            )
