"""Data sets: read with a finding for each fault, measured, split without leaks, and kept as immutable versions.

What is handed on here is loaded when it is first asked for, as in `adapters` itself.
"""

from typing import TYPE_CHECKING

from core.on_demand import on_demand

if TYPE_CHECKING:
    from adapters.datasets.example import Example, JsonValue, Message
    from adapters.datasets.finding import Finding, Severity
    from adapters.datasets.intake import Source, import_dataset
    from adapters.datasets.reading import Dataset, DatasetInvalid, Format, check_dataset, read_dataset
    from adapters.datasets.shelf import Datasets
    from adapters.datasets.version import DatasetVersion, Reference

__all__ = [
    "Dataset",
    "DatasetInvalid",
    "DatasetVersion",
    "Datasets",
    "Example",
    "Finding",
    "Format",
    "JsonValue",
    "Message",
    "Reference",
    "Severity",
    "Source",
    "check_dataset",
    "import_dataset",
    "read_dataset",
]

_HOMES = {
    "Dataset": "reading",
    "DatasetInvalid": "reading",
    "DatasetVersion": "version",
    "Datasets": "shelf",
    "Example": "example",
    "Finding": "finding",
    "Format": "reading",
    "JsonValue": "example",
    "Message": "example",
    "Reference": "version",
    "Severity": "finding",
    "Source": "intake",
    "check_dataset": "reading",
    "import_dataset": "intake",
    "read_dataset": "reading",
}

__getattr__ = on_demand(__name__, _HOMES)
