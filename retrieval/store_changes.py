"""What has come into a store and gone from it since an index was made. Knows row numbers alone.

Both come from the database in a time that grows with the changes, not with the store. Where too much has gone
since, or it is not known when the index was made, all row numbers are compared instead.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sqlalchemy import Connection

from retrieval import shelf
from retrieval.vector_index import Rows


class HeldRows(Protocol):
    """An index, as far as its rows go."""

    @property
    def rows(self) -> Rows:
        """All rows that can be found, in any order."""

    @property
    def latest(self) -> int:
        """The highest row of all that it holds, those that are gone included."""


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """The difference between an index and its store at the moment of a transaction.

    Attributes:
        came: rows that the index lacks, ascending.
        gone: rows that are no more, ascending; the index need not have held each.
        noted: the latest removal of that moment, from which the next difference is read.
    """

    came: Rows
    gone: Rows
    noted: int

    @classmethod
    def since(cls, connection: Connection, store_id: int, index: HeldRows, noted: int | None) -> "StoreChanges":
        """Return what has changed since an index was made.

        A row number is never given twice. So an index that was whole lacks only rows above its latest one, and
        loses only those that were removed later.

        Args:
            connection: in a transaction of one moment.
            store_id: whose index it is.
            index: as it was made.
            noted: the latest removal of the moment of which the index held every passage; None if it never did, or
                nobody knows.
        """
        newest = shelf.latest_removal(connection)
        gone = None if noted is None else shelf.removed_after(connection, store_id, noted)
        if gone is not None:
            return cls(shelf.rows_above(connection, store_id, index.latest), gone, newest)
        rows, known = shelf.rows_above(connection, store_id, 0), index.rows
        came = np.setdiff1d(rows, known, assume_unique=True)
        return cls(came, np.setdiff1d(known, rows, assume_unique=True), newest)
