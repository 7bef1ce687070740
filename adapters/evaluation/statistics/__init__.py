"""The statistics of gates: intervals of shares, paired tests, corrections and agreement. Pure; knows no metric."""

from adapters.evaluation.statistics.agreement import kappa
from adapters.evaluation.statistics.paired import Draws, Interval, holm, mcnemar
from adapters.evaluation.statistics.shares import paired_interval, paired_p_value, share_p_value, wilson

__all__ = [
    "Draws",
    "Interval",
    "holm",
    "kappa",
    "mcnemar",
    "paired_interval",
    "paired_p_value",
    "share_p_value",
    "wilson",
]
