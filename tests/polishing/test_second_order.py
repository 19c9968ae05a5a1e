"""Verdicts on rest points of tiny ReLU models, against the loss at many points around them."""

import numpy as np
import pytest
from scipy.optimize import minimize, root_scalar

from deepcollapse.curvature.hessian import flatten, unflatten
from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.polishing import KinkVerdict, kink_verdict, near_rest
from deepcollapse.polishing.merged_samples import single_samples
from deepcollapse.ufm import Factors, Problem, factor_shapes, gaussian_factors, gradient, regularised_loss


def relu(classes: int, layers: int, width: int, *, decay: float) -> Problem:
    return Problem(classes=classes, layers=layers, width=width, decay=decay, activation="relu")


def verdict(factors: Factors, problem: Problem) -> KinkVerdict:
    return kink_verdict(*single_samples(factors, problem), tolerance=1e-6)


def lowest_around(factors: Factors, problem: Problem, *, radius: float) -> float:
    """The lowest loss found: descent from random points at a distance, kept within twice the distance."""
    rng, centre, shapes = np.random.default_rng(0), flatten(factors), factor_shapes(problem)
    bounds = [(x - 2 * radius, x + 2 * radius) for x in centre]

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        at = unflatten(point, shapes)
        return regularised_loss(at, problem), flatten(gradient(at, problem))

    found = []
    for _ in range(5):
        way = rng.standard_normal(centre.size)
        start = centre + radius * way / np.linalg.norm(way)
        options = {"maxiter": 100, "ftol": 1e-15}
        found.append(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun)
    return min(found)


@pytest.mark.parametrize(
    ("problem", "seed"),
    [
        pytest.param(relu(2, 2, 2, decay=2.0**-6), 4, id="units that share"),
        pytest.param(relu(4, 2, 3, decay=2.0**-7), 2, id="two layers"),
        pytest.param(relu(3, 3, 4, decay=2.0**-8), 1, id="kinks in two layers", marks=pytest.mark.slow),
    ],
)
def test_around_a_minimum_nothing_is_lower(problem: Problem, seed: int):
    found = near_rest(gaussian_factors(problem, np.random.default_rng(seed), scale=1.5), problem)
    assert found.verdict.kind == "minimum"
    assert found.verdict.kinks > 0
    loss = regularised_loss(found.factors, problem)
    assert lowest_around(found.factors, problem, radius=1e-3) >= loss * (1 - 1e-12)


def diagonal(size: float) -> Factors:
    """One unit per class of two, the other class at its kink; critical where F(size) is."""
    return (size * np.eye(2), size * np.eye(2), size * np.array([[1.0, -1.0], [-1.0, 1.0]]) / np.sqrt(2))


def critical_sizes(problem: Problem) -> tuple[float, float]:
    """Of F(t) = log(1 + e^(-sqrt2 t^3)) + 3 decay t^2: a maximum, then a minimum."""

    def slope(size: float) -> float:
        return 6 * problem.mean_decay - 3 * np.sqrt(2) * size / (1 + np.exp(np.sqrt(2) * size**3))

    lower, upper = (root_scalar(slope, bracket=ends, xtol=1e-15).root for ends in ((1e-3, 0.8), (0.8, 5.0)))
    return lower, upper


def test_the_maximum_along_a_ray_is_a_saddle():
    problem = relu(2, 2, 2, decay=2.0**-6)
    size, _ = critical_sizes(problem)
    said = verdict(diagonal(size), problem)
    assert (said.kind, said.kinks) == ("saddle", 2)
    assert said.curvature is not None
    assert said.curvature < -0.1
    nearby = [regularised_loss(diagonal(size * factor), problem) for factor in (0.9, 1.1)]
    assert max(nearby) < regularised_loss(diagonal(size), problem)


def test_multipliers_at_the_border_take_more_than_the_kernel():
    """Inputs at the kink can become negative together at no cost: positive curvature along the kinks proves nothing."""
    problem = relu(2, 2, 2, decay=2.0**-6)
    _, size = critical_sizes(problem)
    factors = diagonal(size)
    said = verdict(factors, problem)
    assert said.kind == "stationary"
    assert said.curvature is not None
    assert said.curvature > 1e-3
    # W_1 H_1 = size^2 [[1, -t], [-t, 1]] has the same nuclear norm for all 0 <= t <= 1, and ReLU hides the rest
    u, s, vt = np.linalg.svd(size**2 * np.array([[1.0, -0.5], [-0.5, 1.0]]))
    other = (np.sqrt(s)[:, None] * vt, u * np.sqrt(s), factors[2])
    assert regularised_loss(other, problem) == pytest.approx(regularised_loss(factors, problem), rel=1e-12)


def test_a_point_off_its_critical_size_descends():
    problem = relu(2, 2, 2, decay=2.0**-6)
    said = verdict(diagonal(2.0), problem)
    assert said.kind == "not stationary"
    assert said.rate < -1e-3


def test_a_model_without_units_is_stationary():
    problem = relu(2, 2, 2, decay=2.0**-6)
    zero = tuple(np.zeros(shape) for shape in factor_shapes(problem))
    assert (verdict(zero, problem).kind, verdict(zero, problem).unused) == ("stationary", 2)


def test_unused_units_take_the_word_minimum_away():
    problem = relu(2, 2, 2, decay=2.0**-6)
    found = near_rest(gaussian_factors(problem, np.random.default_rng(4), scale=1.5), problem)
    first, hidden, last = found.factors
    wider = (np.vstack([first, 0 * first[:1]]), np.pad(hidden, (0, 1)), np.pad(last, ((0, 0), (0, 1))))
    said = verdict(wider, problem.replace(width=3))
    assert (found.verdict.kind, said.kind, said.unused) == ("minimum", "stationary", 1)
    assert said.reason.startswith("a minimum without the 1 unused hidden units")
    again = near_rest(wider, problem.replace(width=3))
    assert [factor.shape for factor in again.factors] == [factor.shape for factor in wider]
    assert again.decided
    assert again.moved < 1e-6
    assert again.loss <= found.loss * (1 + 1e-13)


def test_large_and_linear_models_are_refused(monkeypatch: pytest.MonkeyPatch):
    problem = relu(3, 2, 4, decay=2.0**-6)
    factors = gaussian_factors(problem, np.random.default_rng(0))
    linear = problem.replace(activation="linear")
    with pytest.raises(
        InvalidInputError, match="problem: expected a ReLU model of at least two layers, but found linear"
    ):
        near_rest(factors, linear)
    monkeypatch.setattr("deepcollapse.polishing.run_end.LARGEST_END", 39)
    with pytest.raises(TooLargeError, match="factors: expected at most 39 numbers to follow kinks in, but found 40"):
        near_rest(factors, problem)


def test_what_is_too_large_is_not_judged(monkeypatch: pytest.MonkeyPatch):
    problem = relu(2, 2, 2, decay=2.0**-6)
    found = near_rest(gaussian_factors(problem, np.random.default_rng(4), scale=1.5), problem)
    assert found.verdict.kind == "minimum"
    monkeypatch.setattr("deepcollapse.polishing.second_order._LARGEST_SECOND", 5)
    assert verdict(found.factors, problem).kind == "stationary"
    assert verdict(found.factors, problem).reason == "too many parameters for the test of second order"
    monkeypatch.setattr("deepcollapse.polishing.second_order._LARGEST_FIRST", 5)
    assert verdict(found.factors, problem).kind == "undecided"
