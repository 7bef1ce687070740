"""What `check` finds out about a data set, as data and as one HTML page. The face."""

from adapters.datasets.report.checking import Check, Checked, Measuring
from adapters.datasets.report.page import page

__all__ = ["Check", "Checked", "Measuring", "page"]
