import numpy as np
import pytest

from deepcollapse.curvature import flatten, solution_dimension
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, balanced_factors, structure


def orbit_dimension(factors, problem):
    """Rank of all infinitesimal rotations of all hidden layers, each generator built by itself."""
    tangents = []
    for layer in range(problem.layers):
        for i in range(problem.d):
            for j in range(i):
                generator = np.zeros((problem.d, problem.d))
                generator[i, j], generator[j, i] = 1.0, -1.0
                tangent = [np.zeros_like(factor) for factor in factors]
                tangent[layer] = generator @ factors[layer]
                tangent[layer + 1] = -factors[layer + 1] @ generator
                tangents.append(flatten(tuple(tangent)))
    return np.linalg.matrix_rank(np.array(tangents), tol=1e-8)


@pytest.mark.parametrize("name", ["simplex", "paired", "T4", "circle"])
@pytest.mark.parametrize(("layers", "width"), [(1, 6), (2, 5), (3, 7)])
def test_it_is_the_dimension_of_the_orbit_of_rotations(name, layers, width):
    problem = Problem(classes=6, layers=layers, width=width, decay=2.0**-8)
    found = structure(name, problem)
    factors = balanced_factors(found.logits, problem, np.random.default_rng(0))
    assert solution_dimension(found.rank, problem) == orbit_dimension(factors, problem)


def test_rank_zero_has_no_freedom():
    assert solution_dimension(0, Problem(classes=4, layers=3)) == 0


def test_large_sizes_stay_exact():
    problem = Problem(classes=10**6, layers=3, width=10**12)
    assert solution_dimension(999_999, problem) == 3 * (999_999 * 10**12 - 999_999 * 10**6 // 2)


@pytest.mark.parametrize(("rank", "width"), [(-1, 4), (5, 9), (4, 3)])
def test_impossible_ranks_are_refused(rank, width):
    with pytest.raises(InvalidInputError, match=r"rank: expected 0 to min\(classes, width\) = \d, but found"):
        solution_dimension(rank, Problem(classes=4, layers=2, width=width))
