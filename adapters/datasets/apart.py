"""Checking a file that a stranger sent, in a process of its own with bounds on time and memory.

A schema may hold a pattern that takes years to match: that must hold up nobody but the file's owner.
`python -m adapters.datasets.apart PATH NAME PARENT` is the far side.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.datasets.example import Example
from adapters.datasets.lines import Line
from adapters.datasets.reading import Format, check_dataset
from core.errors import InvalidRequest, RepertoryError
from core.guardian import die_with_parent

SECONDS = 300.0
_MEMORY = 2 << 30
_SHOWN = 20
_MOST_SYSTEMS = 1_000
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a file.

    Attributes:
        told: the first findings that forbid training, a sentence each.
        systems: SHA-256 of each system prompt, or "" for none, with the first line that has it; of very many some.
    """

    rows: int
    format: Format
    errors: int
    told: tuple[str, ...]
    systems: Mapping[str, int] = field(default_factory=dict)


def check_apart(path: Path, name: str, *, seconds: float = SECONDS) -> Verdict:
    """Check a file in another process. Blocking.

    Raises:
        InvalidRequest: it takes more time or memory than a file may.
    """
    command = [sys.executable, "-m", "adapters.datasets.apart", str(path.resolve()), name, str(os.getpid())]
    try:
        done = subprocess.run(
            command, cwd=_ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
        said = json.loads(done.stdout)
        told, systems = tuple(said["told"]), said["systems"]
        return Verdict(said["rows"], Format(said["format"]), said["errors"], told, systems)
    except subprocess.TimeoutExpired as error:
        raise InvalidRequest(
            f"Checking {name!r} takes more than {seconds:.0f} seconds. Look for a `pattern` in a tool's schema "
            "that matches slowly, or split the file.",
            code="check_too_slow",
            param="file",
        ) from error
    except (ValueError, KeyError) as error:
        raise InvalidRequest(
            f"Checking {name!r} broke off with status {done.returncode}. Split the file.",
            code="check_failed",
            param="file",
        ) from error


def main(path: str, name: str, parent: str) -> None:
    """Check, and write the verdict as JSON."""
    die_with_parent(signal.SIGKILL, int(parent))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    systems: dict[str, int] = {}

    def seen(_line: Line, example: Example | None) -> None:
        if example is not None and len(systems) < _MOST_SYSTEMS:
            systems.setdefault(hash_of(example.system), example.line)

    said: dict[str, object] = {"systems": systems}
    try:
        dataset = check_dataset(Path(path), name=name, keep=False, row=seen)
    except RepertoryError as error:
        said |= {"rows": 0, "format": Format.CHAT, "errors": 1, "told": [error.message]}
    else:
        told = [f"line {found} {found.mend}" for found in dataset.faults[:_SHOWN]]
        said |= {"rows": dataset.rows, "format": dataset.format, "errors": dataset.errors, "told": told}
    json.dump(said, sys.stdout)


def hash_of(system: str | None) -> str:
    """Return what `Verdict.systems` calls a system prompt."""
    return "" if system is None else hashlib.sha256(system.encode()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
