"""Thousands of rollouts of a version beside itself, looked at after every pair. Run by `make soak`."""

import math

import numpy as np
import pytest

from adapters.rollouts.plan import Plan
from benchmarks.power import simulated

pytestmark = pytest.mark.soak
_RUNS = 3_000


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.8, 0.9, 0.98])
@pytest.mark.parametrize("tau", [0.02, 0.1, 0.3])
def test_a_version_is_told_apart_from_itself_no_oftener_than_alpha(share: float, tau: float) -> None:
    plan = Plan(tau=tau, most=5_000)
    found = simulated(share, 0.0, _RUNS, plan, np.random.default_rng()).found
    print(f"\nshare {share}, tau {tau}: {found:.3%} of {_RUNS} runs")  # noqa: T201  the log of the run
    assert found <= plan.alpha + 3 * math.sqrt(plan.alpha * (1 - plan.alpha) / _RUNS)
