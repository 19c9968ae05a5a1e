"""Orthogonality to the outliers' mean against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import nc5

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)


@given(SEEDS, st.sampled_from([1, 2, 3, 10]), st.sampled_from([1, 5]), st.integers(-200, 200))
def test_equals_the_definition(rng: np.random.Generator, classes: int, width: int, exponent: int):
    means, outlier = rng.standard_normal((classes, width)), rng.standard_normal(width)
    length = math.sqrt(math.fsum(outlier**2))
    cosines = [math.fsum(m * outlier) / (math.sqrt(math.fsum(m * m)) * length) for m in means]
    expected = math.fsum(map(abs, cosines)) / classes
    assert nc5(means, 10.0**exponent * outlier) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    rotation, _ = np.linalg.qr(rng.standard_normal((width, width)))
    lengths = rng.uniform(-9.0, 9.0, (classes, 1))
    assert nc5(lengths * means @ rotation, outlier @ rotation) == pytest.approx(expected, rel=1e-11, abs=1e-14)


def test_zero_and_one():
    means = np.array([[1.0, 0.0, 0.0], [-3.0, 2.0, 0.0]])
    assert nc5(means, np.array([0.0, 0.0, 7.0])) == 0.0
    assert nc5(means[:1], np.array([-2.0, 0.0, 0.0])) == 1.0


def test_it_is_not_invariant_under_shifts():
    means, outlier = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    assert abs(nc5(means + 5.0, outlier + 5.0) - nc5(means, outlier)) > 0.2


def test_bad_input():
    with pytest.raises(UndefinedError, match=r"means: expected none to be zero, but found \[1\] of 2"):
        nc5(np.array([[1.0], [0.0]]), np.ones(1))
    with pytest.raises(UndefinedError, match=r"outlier_mean: expected none to be zero, but found \[0\] of 1"):
        nc5(np.ones((2, 1)), np.zeros(1))
    for wrong in (np.ones(3), np.ones((1, 2)), np.array(1.0)):
        with pytest.raises(
            InvalidInputError, match=r"outlier_mean: expected a vector of the means' width 2, but found"
        ):
            nc5(np.eye(2), wrong)
    for wrong in (np.ones(2), np.ones((2, 2, 2))):
        with pytest.raises(InvalidInputError, match=r"means: expected a matrix of numbers"):
            nc5(wrong, np.ones(2))
    with pytest.raises(InvalidInputError, match=r"outlier_mean: expected finite entries"):
        nc5(np.eye(2), np.array([1.0, np.nan]))
