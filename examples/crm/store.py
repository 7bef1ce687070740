"""Records, their properties and what ties them together, in memory. Must never know HTTP."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_SEEDS = Path(__file__).with_name("seeds.json")
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "contacts": ("firstname", "lastname", "email", "phone", "company", "jobtitle", "lifecyclestage"),
    "companies": ("name", "domain", "industry", "phone", "city", "country"),
    "deals": ("dealname", "amount", "dealstage", "pipeline", "closedate"),
    "notes": ("hs_note_body", "hs_timestamp", "hubspot_owner_id"),
}
"""The kinds of records and the properties of each."""

_SEARCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "contacts": ("firstname", "lastname", "email", "phone", "company"),
    "companies": ("name", "domain", "phone"),
    "deals": ("dealname", "pipeline", "dealstage"),
    "notes": ("hs_note_body",),
}


@dataclass(slots=True)
class Record:
    """One record."""

    id: str
    kind: str
    properties: dict[str, str]
    created_at: str
    updated_at: str


class Unknown(Exception):
    """There is no such record."""


class Taken(Exception):
    """A contact with this e-mail address is there already; says its id."""


@dataclass(slots=True)
class CrmStore:
    """All records of the CRM, seeded afresh at each start."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    ties: set[tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _next: int = 1001

    @classmethod
    def seeded(cls) -> "CrmStore":
        """Return a store with the records of the example."""
        store = cls()
        for kind, records in json.loads(_SEEDS.read_text(encoding="utf-8")).items():
            for one in records:
                store._put(kind, one["id"], one["properties"])
        for kind, records in json.loads(_SEEDS.read_text(encoding="utf-8")).items():
            for one in records:
                for other, ids in one.get("to", {}).items():
                    for other_id in ids:
                        store.tie((kind, one["id"]), (other, other_id))
        return store

    def get(self, kind: str, record_id: str) -> Record:
        """Return a record.

        Raises:
            Unknown: there is none.
        """
        record = self.records.get((kind, record_id))
        if record is None:
            raise Unknown
        return record

    def create(self, kind: str, properties: Mapping[str, str]) -> Record:
        """Make a record.

        Raises:
            Taken: the e-mail address of a contact is in use.
        """
        with self._lock:
            self._refuse_taken(kind, properties, None)
            record_id, self._next = str(self._next), self._next + 1
            return self._put(kind, record_id, properties)

    def update(self, kind: str, record_id: str, properties: Mapping[str, str]) -> Record:
        """Change properties of a record.

        Raises:
            Unknown: there is none.
            Taken: the e-mail address of a contact is in use.
        """
        with self._lock:
            record = self.get(kind, record_id)
            self._refuse_taken(kind, properties, record_id)
            record.properties |= properties
            record.updated_at = _now()
            return record

    def tie(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """Tie two records together, in both directions.

        Raises:
            Unknown: one of them is not there.
        """
        with self._lock:
            self.get(*one)
            self.get(*other)
            self.ties |= {(one, other), (other, one)}

    def tied(self, one: tuple[str, str], kind: str) -> list[str]:
        """Return the ids of the records of `kind` that are tied to a record."""
        with self._lock:
            return sorted((to[1] for start, to in self.ties if start == one and to[0] == kind), key=int)

    def find(self, kind: str, query: str) -> list[Record]:
        """Return the records of a kind in which each word of `query` begins a word, in the order of their ids."""
        words = re.findall(r"\w+", query.lower())
        with self._lock:
            found = [one for one in self.records.values() if one.kind == kind]
        return sorted((one for one in found if _holds(one, words)), key=lambda one: int(one.id))

    def all(self, kind: str) -> Iterator[Record]:
        """Yield the records of a kind."""
        yield from self.find(kind, "")

    def _put(self, kind: str, record_id: str, properties: Mapping[str, str]) -> Record:
        now = _now()
        record = Record(record_id, kind, dict(properties), now, now)
        self.records[kind, record_id] = record
        return record

    def _refuse_taken(self, kind: str, properties: Mapping[str, str], own: str | None) -> None:
        email = properties.get("email", "").lower()
        for other in self.records.values() if kind == "contacts" and email else ():
            if other.kind == kind and other.id != own and other.properties.get("email", "").lower() == email:
                raise Taken(other.id)


def _holds(record: Record, words: list[str]) -> bool:
    texts = " ".join(record.properties.get(name, "") for name in _SEARCHED[record.kind]).lower()
    there = re.findall(r"\w+", texts)
    return all(any(one.startswith(word) for one in there) for word in words)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
