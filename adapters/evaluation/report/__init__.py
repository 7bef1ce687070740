"""The report of an evaluation as one HTML page. The face."""

from adapters.evaluation.report.page import page

__all__ = ["page"]
