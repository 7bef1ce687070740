"""Seeing what a process writes, step by step, and stopping it at one of the steps. Knows no story.

Each statement and commit of the database (SQLAlchemy's events), each file that is opened for writing, renamed or
removed and each folder that is made (Python's audit events) is a step, seen before it happens. Product code takes
no part in this.
"""

import os
import re
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import Engine, event

Stop = tuple[str, int] | int | None
"""Where to stop: the nth time at a named step, the nth step of all, or nowhere."""

_STATEMENT = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
_KINDS = {
    "open": "open",
    "os.rename": "rename",
    "os.remove": "unlink",
    "os.mkdir": "mkdir",
    "shutil.rmtree": "remove",
}


class Witness:
    """Sees the steps of this process and stops it at one of them."""

    def __init__(self, pipe: Connection, base: Path, stop: Stop) -> None:
        self._pipe = pipe
        self._base = f"{base}/"
        self._stop = stop
        self._steps = 0
        self._times: dict[str, int] = {}
        self._lock = threading.RLock()

    def watch(self) -> None:
        """Begin to see every step; there is no end to it."""
        event.listen(Engine, "before_cursor_execute", self._on_statement)
        event.listen(Engine, "commit", lambda connection: self.step("COMMIT"))
        sys.addaudithook(self._on_audit)

    def acknowledge(self, *fact: object) -> None:
        """Say that something was promised to a caller."""
        self._pipe.send(("done", fact))

    def attempt(self, *fact: object) -> None:
        """Say what is tried next."""
        self._pipe.send(("tried", fact))

    def step(self, name: str) -> None:
        """Come to a step; stop here for ever if it is the one."""
        with self._lock:
            self._steps += 1
            self._times[name] = self._times.get(name, 0) + 1
            if self._stop in (self._steps, (name, self._times[name])):
                self._pipe.send(("at", (name, self._steps)))
                threading.Event().wait()
            self._pipe.send(("passed", (name, self._steps)))

    def _on_statement(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if (found := _STATEMENT.match(statement)) is not None:
            self.step(f"{found[1].split()[0]} {found[2]}")

    def _on_audit(self, name: str, arguments: tuple[object, ...]) -> None:
        if name not in _KINDS or not arguments:
            return
        path = str(arguments[0])
        if not path.startswith(self._base) or re.search(r"\.db(-\w+)?$", path):
            return
        if name == "open":
            flags = arguments[2] if len(arguments) > 2 else 0
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)) and not path.endswith(".yaml"):
                return
        self.step(f"{_KINDS[name]} {_plain(path)}")


def _plain(path: str) -> str:
    """Return the name of a file without what differs from run to run: process ids, random names, hashes."""
    folder, _, name = path.rstrip("/").rpartition("/")
    if name.startswith(".incoming"):
        return ".incoming"
    if folder.endswith(("/blobs/incoming", "/datasets/incoming")):
        return "draft"
    if re.search(r"/(?:blobs|datasets)/", f"{folder}/") and name != "incoming":
        return "blob"
    return re.sub(r"\.\d+\.tmp$", ".tmp", name)
