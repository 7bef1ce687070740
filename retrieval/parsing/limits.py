"""What reading one file may cost. Plain numbers; knows neither formats nor processes."""

import json
from dataclasses import asdict, dataclass

OUT_OF_MEMORY = 3
"""Exit code of a process that came up against its bound of memory."""


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

    def to_json(self) -> str:
        """Return them as an argument for a command line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Limits":
        """Return what `to_json` wrote."""
        return Limits(**json.loads(text))
