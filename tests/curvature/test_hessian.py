import numpy as np
import pytest

from curvature.oracle import torch_hessian
from deepcollapse.curvature import dense_hessian, flatten, hessian_at, hessian_vector_product, unflatten
from deepcollapse.curvature.hessian import LossCurvature
from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.ufm import Problem, factor_shapes, gaussian_factors, gradient

PROBLEMS = [
    Problem(classes=2, layers=1, width=1, decay=0.1),
    Problem(classes=3, layers=2, width=4, samples=2, decay=0.05),
    Problem(classes=4, layers=3, width=5, samples=(1, 3, 1, 2), decay=(0.1, 0.2, 0.05, 0.3)),
    Problem(classes=3, layers=4, width=3, loss="mse", decay=0.02),
    Problem(classes=3, layers=2, width=6, samples=2, activation="relu", decay=0.05),
    Problem(classes=4, layers=4, width=5, activation="relu", samples=(2, 1, 1, 3), loss="mse", decay=0.05),
]
everywhere = pytest.mark.parametrize("problem", PROBLEMS, ids=range(len(PROBLEMS)))


def directions(problem, rng, *batch):
    return tuple(rng.standard_normal((*batch, *shape)) for shape in factor_shapes(problem))


@everywhere
def test_product_is_the_derivative_of_the_gradient(problem):
    rng = np.random.default_rng(3)
    factors, direction = gaussian_factors(problem, rng), directions(problem, rng)
    step = 1e-5  # central difference: error of the order step^2, rounding 1e-16 / step; no kink within the step

    def shifted(size):
        moved = tuple(a + size * v for a, v in zip(factors, direction, strict=True))
        return flatten(gradient(moved, problem))

    slope = (shifted(step) - shifted(-step)) / (2 * step)
    assert flatten(hessian_vector_product(factors, direction, problem)) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@everywhere
def test_dense_equals_automatic_differentiation(problem):
    factors = gaussian_factors(problem, np.random.default_rng(4), scale=1.5)
    dense = dense_hessian(factors, problem)
    assert dense == pytest.approx(torch_hessian(factors, problem), abs=1e-12)
    assert dense == pytest.approx(dense.T, abs=1e-13)


@everywhere
def test_a_batch_of_directions_is_one_product_each(problem):
    rng = np.random.default_rng(5)
    factors, batch = gaussian_factors(problem, rng), directions(problem, rng, 2, 3)
    found = flatten(hessian_vector_product(factors, batch, problem))
    assert found.shape[:2] == (2, 3)
    single = hessian_vector_product(factors, tuple(part[1, 2] for part in batch), problem)
    assert found[1, 2] == pytest.approx(flatten(single), abs=1e-13)


def test_dense_is_built_in_more_than_one_piece(monkeypatch):
    problem = PROBLEMS[2]
    factors = gaussian_factors(problem, np.random.default_rng(6))
    whole = dense_hessian(factors, problem)
    monkeypatch.setattr("deepcollapse.curvature.hessian._CHUNK", 7 * hessian_at(factors, problem).parameters)
    assert dense_hessian(factors, problem) == pytest.approx(whole, abs=1e-14)


@everywhere
def test_unflatten_inverts_flatten(problem):
    factors = gaussian_factors(problem, np.random.default_rng(7))
    again = unflatten(flatten(factors), factor_shapes(problem))
    assert all(np.array_equal(a, b) for a, b in zip(factors, again, strict=True))


def test_flatten_goes_factor_by_factor_row_by_row():
    pair = (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]]))
    assert flatten(pair).tolist() == [1, 2, 3, 4, 5, 6]


def test_a_direction_of_other_shape_is_refused():
    problem = PROBLEMS[1]
    factors = gaussian_factors(problem, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=r"direction: expected the shapes of the factors .*batch axes in front"):
        hessian_vector_product(factors, factors[::-1], problem)


def test_factors_of_another_problem_are_refused():
    factors = gaussian_factors(PROBLEMS[1], np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="factors: expected shapes"):
        dense_hessian(factors, PROBLEMS[2])


def test_a_large_dense_hessian_is_refused():
    problem = Problem(classes=4, layers=3, width=60)
    factors = gaussian_factors(problem, np.random.default_rng(0))
    message = "dense Hessian: expected at most 6000 parameters, but found 7680; use extreme_eigenvalues"
    with pytest.raises(TooLargeError, match=message):
        dense_hessian(factors, problem)


def test_curvature_keeps_its_digits_at_large_margins():
    probability = np.array([[1.0], [1e-26], [3e-26]])  # what a margin of 60 leaves
    curvature = LossCurvature(np.ones(1), probability)
    found = curvature(np.eye(3)[:, :, None])[:, :, 0]
    exact = np.array([[4e-26, -1e-26, -3e-26], [-1e-26, 1e-26, 0.0], [-3e-26, 0.0, 3e-26]])
    assert found == pytest.approx(exact, rel=1e-12, abs=1e-51)
