"""The first order of real ReLU models at kinks of two layers, against differences of the loss itself."""

import numpy as np
import pytest

from deepcollapse.curvature.hessian import flatten, unflatten
from deepcollapse.polishing.held import bent, held_at, hidden, smooth
from deepcollapse.polishing.merged_samples import single_samples
from deepcollapse.ufm import Factors, Problem, gaussian_factors, regularised_loss

PROBLEM = Problem(classes=3, layers=3, width=4, activation="relu", decay=2.0**-5)


def at_kinks(seed: int) -> Factors:
    """Whole numbers, so that hidden inputs of both layers are exactly 0 at places, units above held ones included."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(-1, 2, factor.shape).astype(float) for factor in gaussian_factors(PROBLEM, rng))


@pytest.mark.parametrize("seed", range(8))
def test_rate_is_the_one_sided_derivative_of_the_loss(seed: int):
    factors = at_kinks(seed)
    model, start = single_samples(factors, PROBLEM)
    bends = tuple(before == 0 for before in hidden(model, start))
    assert all(bend.any() for bend in bends)
    function = bent(smooth(model, start, bends)[0], bends)
    assert (function.passed == np.tril(function.passed, -1)).all()
    rng, shapes = np.random.default_rng(seed), tuple(factor.shape for factor in factors)
    for _ in range(20):
        direction = rng.standard_normal(flatten(factors).size)
        moved = unflatten(flatten(factors) + 1e-7 * direction, shapes)
        difference = (regularised_loss(moved, PROBLEM) - regularised_loss(factors, PROBLEM)) / 1e-7
        # second order: 1e-7 times curvatures of order 10 and squared steps of order 50
        assert function.rate(direction) == pytest.approx(difference, abs=2e-4)


def test_slopes_pass_through_layers():
    """What an activation of the first layer is worth includes what it passes on to held inputs of the second."""
    factors = next(found for seed in range(100) if len(passing(found := at_kinks(seed))))
    model, start = single_samples(factors, PROBLEM)
    bends = tuple(before == 0 for before in hidden(model, start))
    held = held_at(model, start, bends)
    function = bent(smooth(model, start, bends)[0], bends)
    np.testing.assert_allclose(held.slopes, function.total_slopes(held.multipliers), atol=1e-12)
    assert np.abs(held.slopes - function.slopes).max() > 1e-3


def passing(factors: Factors) -> np.ndarray:
    model, start = single_samples(factors, PROBLEM)
    bends = tuple(before == 0 for before in hidden(model, start))
    return np.argwhere(bent(smooth(model, start, bends)[0], bends).passed)
