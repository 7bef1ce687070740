"""What the reports say of a few samples."""

import pytest

from benchmarks.sampling import paired_ratio, quantile


def test_a_paired_ratio_does_not_see_what_moves_both_arms_alike() -> None:
    ratio = paired_ratio([9.8, 19.6, 39.2], [10.0, 20.0, 40.0])
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.98, 0.98, 0.98))


def test_the_interval_of_a_paired_ratio_holds_its_value_and_widens_with_the_noise() -> None:
    calm = paired_ratio([0.99, 1.0, 0.98, 1.01], [1.0] * 4)
    wild = paired_ratio([0.5, 1.4, 0.8, 1.2], [1.0] * 4)
    assert calm.low < calm.value < calm.high
    assert wild.high - wild.low > 5 * (calm.high - calm.low)


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (50.0, 99.0, 100.0)
