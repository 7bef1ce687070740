"""A version of a data set: what is known of it, and how it is named. Knows no database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.datasets.reading import Format
from core.errors import InvalidRequest

_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]{0,63})(?:@([1-9][0-9]{0,8}))?(?:/([a-z]{1,16}))?")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split.

    Attributes:
        split: identity of the split; the same shares and seed give the same.
        settings: shares, seed and threshold.
    """

    name: str
    split: str
    sha256: str
    rows: int
    groups: int
    settings: Mapping[str, object]
    created_at: float

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "part": self.name,
            "split": self.split,
            "sha256": self.sha256,
            "rows": self.rows,
            "groups": self.groups,
            "settings": dict(self.settings),
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A data set that never changes.

    Attributes:
        sha256: hash of the bytes that are kept.
        source: name of the file that it came from.
        source_sha256: hash of that file, which differs where personal data was masked.
        personal_data: kind → what was decided and how many were found.
        warnings: code → how often it was found.
        parts: of its splits, the newest split first.
    """

    name: str
    version: int
    sha256: str
    bytes: int
    rows: int
    format: Format
    label_key: str
    source: str
    source_sha256: str
    personal_data: Mapping[str, object]
    warnings: Mapping[str, int]
    by: str
    created_at: float
    parts: tuple[Part, ...] = field(default=())

    @property
    def reference(self) -> str:
        """How it is named, such as `support@2`."""
        return f"{self.name}@{self.version}"

    def shown(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "dataset": self.reference,
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "rows": self.rows,
            "format": self.format.value,
            "label_key": self.label_key,
            "source": self.source,
            "source_sha256": self.source_sha256,
            "personal_data": dict(self.personal_data),
            "warnings": dict(self.warnings),
            "by": self.by,
            "created_at": self.created_at,
            "parts": [part.shown() for part in self.parts],
        }


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody names: a data set, one version of it, one part of that."""

    name: str
    version: int | None = None
    part: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read `support`, `support@2` or `support@2/train`.

        Raises:
            InvalidRequest: it is none of them.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise InvalidRequest(
                f"{text!r} names no data set. Write NAME, NAME@VERSION or NAME@VERSION/PART; a name has small "
                "letters, digits and dashes.",
                code="dataset_name_invalid",
                param="name",
            )
        name, version, part = found.groups()
        return cls(name, int(version) if version else None, part)
