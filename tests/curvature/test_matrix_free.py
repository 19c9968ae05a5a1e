import numpy as np
import pytest

from curvature.oracle import critical_factors, repeated, torch_eigenvalues
from deepcollapse.curvature import balanced_spectrum, extreme_eigenvalues
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, balanced_factors, factor_shapes, gaussian_factors, structure


def ends(factors, problem, **changes):
    return extreme_eigenvalues(factors, problem, generator=np.random.default_rng(0), **changes)


def assert_equals_dense(factors, problem, **changes):
    dense = torch_eigenvalues(factors, problem) / problem.mean_decay
    found = ends(factors, problem, **changes)
    count = found.smallest.size
    assert found.smallest / problem.mean_decay == pytest.approx(dense[:count], abs=1e-6)
    assert found.largest / problem.mean_decay == pytest.approx(dense[::-1][:count], abs=1e-6)
    assert max(found.smallest_residuals.max(), found.largest_residuals.max()) < 1e-4 * problem.mean_decay
    if found.complete:
        above = dense[dense > found.zero]
        assert found.gap == (pytest.approx(problem.mean_decay * above[0], rel=1e-6) if above.size else None)
        assert found.negative == (dense < -found.zero).sum()
        assert found.nullity == (np.abs(dense) <= found.zero).sum()
    return found


@pytest.mark.parametrize(
    "problem",
    [
        Problem(classes=3, layers=2, width=6, samples=2, decay=0.02),
        Problem(classes=4, layers=3, width=5, samples=(1, 2, 1, 3), decay=(0.02, 0.01, 0.03, 0.02)),
        Problem(classes=3, layers=3, width=6, samples=2, decay=0.02, activation="relu"),
        Problem(classes=4, layers=2, width=7, decay=0.02, loss="mse", activation="relu"),
        Problem(classes=2, layers=1, width=2, decay=0.02),
    ],
    ids=str,
)
def test_arbitrary_points_equal_the_dense_hessian(problem):
    found = assert_equals_dense(gaussian_factors(problem, np.random.default_rng(2)), problem)
    assert found.verdict == "not critical"
    assert found.rotations is None


@pytest.mark.parametrize(
    ("name", "problem", "verdict"),
    [
        ("simplex", Problem(classes=4, layers=2, width=9, samples=2), "Morse-Bott minimum"),
        ("simplex", Problem(classes=7, layers=3, width=7, decay=2.0**-4), "strict saddle"),
        ("partition-3-3", Problem(classes=6, layers=2, width=6), "strict saddle"),
        ("circle", Problem(classes=5, layers=3, width=6, decay=(0.001, 0.002, 0.001, 0.003)), "Morse-Bott minimum"),
        ("paired", Problem(classes=6, layers=1, width=7, samples=2), "strict saddle"),
        ("zero", Problem(classes=4, layers=2, width=5), "Morse-Bott minimum"),
        ("simplex", Problem(classes=2, layers=2, width=1), "Morse-Bott minimum"),
    ],
    ids=str,
)
def test_balanced_points_equal_the_dense_hessian(name, problem, verdict):
    logits = structure(name, problem).logits
    factors = balanced_factors(logits, problem, np.random.default_rng(0))
    found = assert_equals_dense(factors, problem, count=4)
    exact = balanced_spectrum(logits, problem)
    assert found.complete
    assert (found.negative, found.nullity) == (exact.negative, exact.nullity)
    assert found.rotations == exact.solution_dimension
    assert found.verdict == exact.verdict == verdict
    assert found.kinks == 0


def test_a_wider_partition_equals_the_width_rule():
    problem = Problem(classes=10, layers=2, width=14, samples=3)
    logits = structure("partition-2-2-2-4", problem).logits
    found = ends(balanced_factors(logits, problem, np.random.default_rng(0)), problem)
    assert (found.negative, found.nullity) == (5, 2 * (6 * 14 - 21))
    exact = balanced_spectrum(logits, problem)
    assert found.smallest == pytest.approx(repeated(exact)[:6], abs=1e-8 * problem.decay)
    assert found.largest == pytest.approx(repeated(exact)[:-7:-1], rel=1e-8)


def test_without_rotations_split_off_the_count_stops_at_a_lower_bound():
    problem = Problem(classes=4, layers=2, width=14, samples=2)
    factors = balanced_factors(structure("simplex", problem).logits, problem)
    found = ends(factors, problem, rotations=False)
    exact = balanced_spectrum(structure("simplex", problem).logits, problem)
    assert not found.complete
    assert 64 <= found.nullity <= exact.nullity == 72
    assert (found.negative, found.verdict) == (0, "positive semidefinite")


def test_more_zeros_than_rotations_are_degenerate():
    problem = Problem(classes=3, layers=2, width=3, loss="mse", decay=0.005)
    logits = np.diag([structure("orthogonal-frame", problem).scales[0], 0.0, 0.0])
    found = assert_equals_dense(balanced_factors(logits, problem), problem)
    assert found.verdict == "degenerate"
    assert found.nullity > found.rotations


def test_a_smooth_minimum_of_a_relu_network():
    problem = Problem(classes=3, layers=2, width=5, samples=2, activation="relu", decay=0.01)
    factors = critical_factors(problem, seed=3)
    found = assert_equals_dense(factors, problem)
    assert found.kinks == 0
    assert found.verdict in {"Morse-Bott minimum", "degenerate"}
    assert found.rotations > 0


def test_kinks_are_counted():
    problem = Problem(classes=3, layers=3, width=4, samples=2, activation="relu")
    zero = tuple(np.zeros(shape) for shape in factor_shapes(problem))
    found = ends(zero, problem)
    assert found.kinks == 2 * 4 * 6  # H_2 and H_3
    assert found.verdict == "not smooth"
    assert ends(zero, problem.replace(activation="linear")).kinks == 0


def test_the_same_generator_gives_the_same_numbers():
    problem = Problem(classes=3, layers=2, width=5)
    factors = gaussian_factors(problem, np.random.default_rng(2))
    assert np.array_equal(ends(factors, problem).smallest, ends(factors, problem).smallest)


@pytest.mark.parametrize("count", [0, 8])
def test_counts_out_of_range_are_refused(count):
    problem = Problem(classes=2, layers=1)
    factors = gaussian_factors(problem, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=rf"count: expected 1 to parameters - 1 = 7, but found {count}; ask"):
        ends(factors, problem, count=count)


def test_nan_is_refused():
    problem = Problem(classes=2, layers=1)
    factors = gaussian_factors(problem, np.random.default_rng(0))
    factors[0][0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="factors: expected finite entries"):
        ends(factors, problem)
