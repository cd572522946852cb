"""Appendix D's normalisation, against a loop over its equations."""

import numpy as np
import pytest

from logan.analysis.movement import moving_average, normalised
from logan.errors import InputError


def by_hand(x, n):
    result = []
    for t in range(len(x) - n + 1):
        mean = sum(x[t : t + n]) / n
        variance = sum((value - mean) ** 2 for value in x[t : t + n]) / (n - 1)
        result.append(x[t] / variance**0.5)
    return np.array(result)


@pytest.mark.parametrize("window", [2, 7, 20, 40])
def test_normalised(window):
    x = np.random.default_rng(0).normal(3, np.linspace(0.1, 4, 40))
    np.testing.assert_allclose(normalised(x, window), by_hand(x, window))
    np.testing.assert_allclose(normalised([*x], window), by_hand(x, window))
    assert normalised(x, window).shape == (40 - window + 1,)


def test_it_does_not_depend_on_the_scale_but_on_the_level():
    x = np.random.default_rng(0).normal(3, 1, 40)
    np.testing.assert_allclose(normalised(1000 * x), normalised(x))
    assert normalised(x + 5).mean() > normalised(x).mean() + 3


def test_a_window_that_stands_still_has_no_value():
    x = np.array([0.1] * 6 + [0.2, 0.3])
    found = normalised(x, 5)
    np.testing.assert_array_equal(np.isnan(found), [True, True, False, False])
    np.testing.assert_allclose(found[2:], by_hand(x[2:], 5))
    assert np.isnan(normalised(np.zeros(9), 5)).all()


def test_a_missing_value_spoils_its_windows_only():
    x = np.arange(10.0)
    x[4] = np.nan
    np.testing.assert_array_equal(np.isnan(normalised(x, 3)), [t in (2, 3, 4) for t in range(8)])
    np.testing.assert_array_equal(np.isnan(moving_average(x, 3)), [t in (2, 3, 4) for t in range(8)])


def test_moving_average():
    x = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(moving_average(x), [x[t : t + 20].mean() for t in range(21)])
    np.testing.assert_array_equal(moving_average(x, 1), x)


def test_refusals():
    with pytest.raises(
        InputError, match="a sequence of 5 values is shorter than the window of 20; take a smaller window"
    ):
        normalised(np.ones(5))
    with pytest.raises(InputError, match="one row of numbers"):
        moving_average(np.ones((30, 2)))
    with pytest.raises(ValueError, match="window must be a whole number >= 2, not 1"):
        normalised(np.ones(5), 1)
    with pytest.raises(ValueError, match="window must be a whole number >= 1, not 0"):
        moving_average(np.ones(5), 0)
