import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import gaussian, gaussian_starts
from deepcollapse.ufm import Problem

PROBLEM = Problem(classes=4, samples=3, layers=3, width=50)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_entries_have_the_stated_variance(scale):
    for factor in gaussian(PROBLEM, seed=3, scale=scale):
        share = (factor**2).mean() * PROBLEM.d / scale**2
        assert abs(share - 1) < 5 * np.sqrt(2 / factor.size)  # five standard errors of a mean of squares
        assert abs(factor.mean()) < 5 * scale / np.sqrt(PROBLEM.d * factor.size)


def test_a_start_depends_on_its_seed_alone():
    together = dict(gaussian_starts(PROBLEM, [5, 0, 2**62]))
    for seed in (2**62, 0):
        for a, b in zip(together[seed], gaussian(PROBLEM, seed=seed), strict=True):
            assert (a == b).all()
    assert not np.array_equal(together[0][0], together[5][0])


def test_the_scale_only_scales():
    for a, b in zip(gaussian(PROBLEM, seed=1), gaussian(PROBLEM, seed=1, scale=0.25), strict=True):
        np.testing.assert_array_equal(a * 0.25, b)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_bad_scale(scale):
    message = "init_scale: expected a finite number > 0, but found .*; 1 is usual, and from 0 nothing moves"
    with pytest.raises(InvalidInputError, match=message):
        gaussian(PROBLEM, seed=0, scale=scale)
    with pytest.raises(InvalidInputError, match=message):
        gaussian_starts(PROBLEM, [0], scale=scale)


def test_bad_seed():
    with pytest.raises(InvalidInputError, match="seed: expected a whole number >= 0, but found -1; count from 0"):
        gaussian(PROBLEM, seed=-1)
