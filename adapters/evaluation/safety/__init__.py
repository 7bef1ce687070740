"""The sets that come with the server: safety and bias, and what a version may not forget. The face."""

from adapters.evaluation.safety.sets import Builtin, builtin_cases

__all__ = ["Builtin", "builtin_cases"]
