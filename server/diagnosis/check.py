"""The outcome of one check."""

from dataclasses import asdict, dataclass
from enum import StrEnum

GIB = 1024**3


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's table."""

    name: str
    status: Status
    found: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the check as plain data."""
        return {name: str(value) for name, value in asdict(self).items()}
