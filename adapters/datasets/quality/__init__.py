"""The four dimensions of quality, each as measures with their evidence. The face."""

from adapters.datasets.quality.assessment import Embed, Persona, Targets, assess
from adapters.datasets.quality.score import Evidence, Measure, Score

__all__ = ["Embed", "Evidence", "Measure", "Persona", "Score", "Targets", "assess"]
