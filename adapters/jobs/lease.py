"""Who works on jobs: one process at a time, known to be gone as soon as it is.

On one machine the process itself is looked for, so that neither a kill nor a clock that jumps makes two work at
once or lets one wait; from another machine only the time of the last sign counts.
"""

import os
import secrets
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from adapters.jobs.tables import leases
from core.clock import Clock
from core.database import Database
from core.errors import Conflict

SECONDS = 60.0
"""How long a sign of life counts where the process cannot be looked for."""

_TRAINING = "training"
_START_TIME = 19  # of /proc/PID/stat, counted behind the command's name (proc(5): field 22)


class LeaseLost(Conflict):
    """Another process works on jobs now."""

    code = "lease_lost"


def new_holder() -> str:
    """Return a name for a worker of this process that no other ever has."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}/{secrets.token_hex(4)}"


def is_gone(holder: str) -> bool | None:
    """Tell whether a process has ended; None where that cannot be seen from here."""
    machine, number, started, _ = holder.rsplit("/", 3)
    if machine != _machine():
        return None
    return _started(int(number)) != started


class Lease:
    """The right to work on jobs."""

    def __init__(self, database: Database, clock: Clock, holder: str | None = None) -> None:
        self._database = database
        self._clock = clock
        self.holder = holder or new_holder()

    def take(self) -> bool:
        """Take the right, or renew it; tell whether this process has it."""
        now = self._clock()
        query = select(leases).where(leases.c.name == _TRAINING)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is not None and row.holder == self.holder and 0 <= row.until - now - SECONDS / 2 <= SECONDS:
            return True
        with self._database.write(durable=False) as connection:
            row = connection.execute(query).one_or_none()
            if row is not None and row.holder != self.holder:
                gone = is_gone(row.holder)
                if not (row.until < now if gone is None else gone):
                    return False
            values = {"name": _TRAINING, "holder": self.holder, "until": now + SECONDS}
            put = insert(leases).values(values).on_conflict_do_update(index_elements=["name"], set_=values)
            connection.execute(put)
        return True

    def release(self) -> None:
        """Give the right back, if this process has it."""
        mine = leases.c.name == _TRAINING, leases.c.holder == self.holder
        with self._database.write(durable=False) as connection:
            connection.execute(delete(leases).where(*mine))


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _started(number: int) -> str | None:
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[_START_TIME]
