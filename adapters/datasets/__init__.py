"""Data sets: read with a finding for each fault, measured, split without leaks, and kept as immutable versions."""

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
