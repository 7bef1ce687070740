"""What reading one file may cost. Plain numbers; knows neither formats nor processes."""

import json
import math
from dataclasses import asdict, dataclass, replace

OUT_OF_MEMORY = 3
"""Exit code of a process that came up against its bound of memory."""

NO_RECOGNITION = 4
"""Exit code of a process that could not load what recognises text."""

_SCAN_START_SECONDS = 30.0
_SCAN_SECONDS_A_PAGE = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file that is parsed in a process of its own.

    Attributes:
        wall_seconds: longest time from start to end.
        cpu_seconds: processor time.
        memory_bytes: address space, that of the interpreter and the libraries included.
        text_characters: text that comes out.
        pages: pages, slides or sheets.
        rows: rows of one sheet or table, empty ones included.
        archive_members: files inside a DOCX, PPTX or XLSX.
        unpacked_bytes: their size together when unpacked.
        ratio: unpacked over packed size of an archive of more than 10 MB.
        picture_pixels: pixels of a picture, before any of them is unpacked.
        scan_seconds: longest time for recognising the text of all pages of a file that are pictures.
        scan_memory_bytes: address space of the process that does it.
        scan_threads: its threads.
    """

    wall_seconds: float = 120.0
    cpu_seconds: int = 60
    memory_bytes: int = 1_000_000_000
    text_characters: int = 10_000_000
    pages: int = 5_000
    rows: int = 1_048_576
    archive_members: int = 10_000
    unpacked_bytes: int = 250_000_000
    ratio: int = 200
    picture_pixels: int = 80_000_000
    scan_seconds: float = 1_800.0
    scan_memory_bytes: int = 3_000_000_000
    scan_threads: int = 1

    def for_scan(self, pages: int) -> "Limits":
        """Return the bounds of the process that recognises the text of so many pages."""
        seconds = min(self.scan_seconds, _SCAN_START_SECONDS + _SCAN_SECONDS_A_PAGE * pages)
        return replace(
            self,
            wall_seconds=seconds,
            cpu_seconds=math.ceil(seconds * self.scan_threads) + 1,  # the time from start to end comes first
            memory_bytes=self.scan_memory_bytes,
        )

    def to_json(self) -> str:
        """Return them as an argument for a command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Limits":
        """Return what `to_json` wrote."""
        return Limits(**json.loads(text))
