"""The end of a version, or of a whole adapter: from when on it answers no more, and who comes after it.

Its files stay: the record, the lineage of others and an engine that has it in memory refer to them.
"""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.sqlite import insert

from adapters import tables
from adapters.version import AdapterVersion
from core.errors import Conflict, Gone

WHOLE = 0
"""Stands for every version of an adapter; versions begin at 1."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """When something ends.

    Attributes:
        name: the adapter.
        version: its version; `WHOLE` for all of them.
        at: from when on it answers no more, in seconds since the epoch.
        successor: what to use instead, in words that a client can use; empty where there is nothing.
        by: who said so.
        reason: why.
        said_at: when they said it.
    """

    name: str
    version: int
    at: float
    successor: str
    by: str
    reason: str
    said_at: float

    def refusal(self) -> "AdapterRetired":
        """Return the error for who still asks for it."""
        what = (
            f"adapter {self.name!r}" if self.version == WHOLE else f"adapter version '{self.name}@{self.version}'"
        )
        then = f"Use {self.successor!r} instead." if self.successor else "Nothing follows it."
        return AdapterRetired(f"The {what} was retired. {then}")


class AdapterRetired(Gone):
    """Its date has passed."""

    code = "adapter_retired"


def retire(connection: Connection, retirement: Retirement) -> None:
    """Say when something ends, in place of what was said before."""
    row = {
        "name": retirement.name,
        "version": retirement.version,
        "at": retirement.at,
        "successor": retirement.successor,
        "by": retirement.by,
        "reason": retirement.reason,
        "said_at": retirement.said_at,
    }
    said = insert(tables.retirements).values(row)
    connection.execute(said.on_conflict_do_update(index_elements=["name", "version"], set_=row))


def retirements(connection: Connection, name: str | None = None) -> list[Retirement]:
    """Return what is said of one adapter, or of all."""
    query = select(tables.retirements).order_by(tables.retirements.c.name, tables.retirements.c.version)
    if name is not None:
        query = query.where(tables.retirements.c.name == name)
    return [_retirement(row) for row in connection.execute(query)]


def check_not_retired(connection: Connection, version: AdapterVersion, now: float) -> None:
    """Refuse a version that is to go to users and whose date, or whose adapter's, has passed.

    Raises:
        AdapterRetired: it has.
    """
    for one in retirements(connection, version.name):
        if one.version in (WHOLE, version.version) and one.at <= now:
            raise one.refusal()


def check_stays(connection: Connection, version: AdapterVersion, now: float) -> None:
    """Refuse a version that is to begin to answer users and is retired, or is to be: it would not stop by itself.

    Raises:
        AdapterRetired: its date, or its adapter's, has passed.
        Conflict: it has a date.
    """
    check_not_retired(connection, version, now)
    for one in retirements(connection, version.name):
        if one.version == version.version:
            on = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.at))
            then = f"Use {one.successor!r} instead." if one.successor else "Use another version."
            raise Conflict(
                f"{version.engine_name!r} is to be retired on {on} UTC, and would not end by itself; the date can "
                f"be moved, not lifted. {then}",
                code="version_to_be_retired",
            )


def _retirement(row: Row[tuple[object, ...]]) -> Retirement:
    return Retirement(row.name, row.version, row.at, row.successor, row.by, row.reason, row.said_at)
