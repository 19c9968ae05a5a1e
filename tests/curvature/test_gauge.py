import numpy as np
import pytest

from deepcollapse.curvature import dense_hessian, flatten, gauge_directions, unflatten
from deepcollapse.errors import TooLargeError
from deepcollapse.ufm import (
    Problem,
    balanced_factors,
    collapse,
    factor_shapes,
    gaussian_factors,
    regularised_loss,
    structure,
)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_loss_is_constant_along_them_anywhere(activation, layers):
    problem = Problem(classes=3, layers=layers, width=4, samples=2, activation=activation)
    factors = gaussian_factors(problem, np.random.default_rng(layers))
    basis = gauge_directions(factors, problem)
    assert basis.T @ basis == pytest.approx(np.eye(basis.shape[1]), abs=1e-10)
    step, point = 1e-5, flatten(factors)
    for direction in basis.T:
        losses = [
            regularised_loss(unflatten(point + sign * step * direction, factor_shapes(problem)), problem)
            for sign in (1, -1)
        ]
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(0.0, abs=1e-9)


def test_generic_factors_have_all_rotations():
    for activation, interfaces in [("linear", 3), ("relu", 1)]:
        problem = Problem(classes=5, layers=3, width=4, activation=activation)
        factors = gaussian_factors(problem, np.random.default_rng(0))
        assert gauge_directions(factors, problem).shape[1] == interfaces * 6


@pytest.mark.parametrize("name", ["simplex", "paired", "circle"])
def test_at_balanced_points_they_are_the_null_space_of_the_hessian(name):
    problem = Problem(classes=6, layers=2, width=7)
    factors = balanced_factors(structure(name, problem).logits, problem, np.random.default_rng(0))
    basis, hessian = gauge_directions(factors, problem), dense_hessian(factors, problem)
    assert hessian @ basis == pytest.approx(np.zeros_like(basis), abs=1e-10 * problem.decay)
    assert basis.shape[1] == (np.abs(np.linalg.eigvalsh(hessian)) < 1e-6 * problem.decay).sum()


def test_zero_factors_have_none():
    problem = Problem(classes=3, layers=2, width=4)
    zero = tuple(np.zeros(shape) for shape in factor_shapes(problem))
    assert gauge_directions(zero, problem).shape == (40, 0)


def test_width_one_has_none():
    problem = Problem(classes=2, layers=2, width=1)
    factors = balanced_factors(collapse(problem).logits, problem)
    assert gauge_directions(factors, problem).shape == (5, 0)


def test_a_large_basis_is_refused():
    problem = Problem(classes=8, layers=2, width=200)
    factors = balanced_factors(collapse(problem).logits, problem)
    message = "gauge: expected at most 30000000 entries of a basis, but found 43200 x 2744; leave the rotations in"
    with pytest.raises(TooLargeError, match=message):
        gauge_directions(factors, problem)
