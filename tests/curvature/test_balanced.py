import numpy as np
import pytest

from curvature.oracle import critical_logits, repeated, torch_eigenvalues
from deepcollapse.curvature import balanced_spectrum, collapse_spectrum
from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.landscape import atlas_entry
from deepcollapse.ufm import Problem, balanced_factors, collapse, logits_objective, stationarity, structure


def assert_equals_dense(logits, problem):
    factors = balanced_factors(logits, problem, np.random.default_rng(1))
    dense = torch_eigenvalues(factors, problem)
    found = balanced_spectrum(logits, problem)
    assert found.parameters == dense.size
    assert np.abs(repeated(found) - dense).max() < 1e-6 * problem.mean_decay
    assert found.negative == (dense < -1e-6 * problem.mean_decay).sum()
    assert found.nullity == (np.abs(dense) <= 1e-6 * problem.mean_decay).sum()
    assert found.trace == pytest.approx(dense.sum(), rel=1e-9)
    return found


TEN = {
    "paired": (0, 5),
    "partition-2-8": (0, 8),
    "partition-2-2-6": (0, 7),
    "partition-2-2-2-4": (5, 6),
    "partition-2-2-3-3": (4, 6),
    "partition-3-3-4": (9, 7),
    "T5": (0, 4),
    "circle": (0, 2),
}


@pytest.mark.parametrize("name", TEN)
def test_ten_classes_two_layers(name):
    problem = Problem(classes=10, layers=2, width=10)
    negative, rank = TEN[name]
    found = assert_equals_dense(structure(name, problem).logits, problem)
    assert found.negative == negative
    assert found.nullity == found.solution_dimension == 2 * (rank * 10 - rank * (rank + 1) // 2)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("paired", Problem(classes=4, layers=3, width=6, samples=2)),
        ("paired", Problem(classes=6, layers=2, width=3, decay=2.0**-20)),
        ("paired", Problem(classes=5, layers=2, width=7)),
        ("paired", Problem(classes=7, layers=3, width=5, samples=2)),
        ("partition-2-3", Problem(classes=5, layers=3, width=4, samples=2)),
        ("partition-1-4", Problem(classes=5, layers=2, width=5)),
        ("T4", Problem(classes=6, layers=3, width=5, samples=2)),
        ("circle", Problem(classes=7, layers=4, width=4)),
        ("circle", Problem(classes=5, layers=2, width=5, decay=(0.001, 0.004, 0.002))),
        ("paired", Problem(classes=6, layers=2, width=5, decay=(0.01, 0.0001, 0.002), samples=2)),
        ("simplex", Problem(classes=4, layers=2, width=5, decay=(0.02, 0.001, 0.002), samples=3)),
        ("simplex", Problem(classes=2, layers=3, width=3, decay=(0.02, 0.01, 0.002, 0.005))),
    ],
    ids=str,
)
def test_structures_equal_the_dense_hessian(name, problem):
    assert_equals_dense(structure(name, problem).logits, problem)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simplex", "paired", "T5", "partition-2-2-2-4"])
def test_more_than_a_thousand_parameters_equal_the_dense_hessian(name):
    problem = Problem(classes=10, layers=3, width=16, samples=4)
    assert_equals_dense(structure(name, problem).logits, problem)


@pytest.mark.parametrize("name", ["paired", "circle", "partition-2-3", "partition-1-1-3"])
@pytest.mark.parametrize("decay", [0.004, (0.001, 0.02)])
def test_one_layer_has_strict_saddles_only_but_for_collapse(name, decay):
    problem = Problem(classes=5, layers=1, width=6, samples=2, decay=decay)
    found = assert_equals_dense(structure(name, problem).logits, problem)
    assert found.verdict == "strict saddle"
    assert balanced_spectrum(collapse(problem).logits, problem).verdict == "Morse-Bott minimum"


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "problem",
    [
        Problem(classes=4, layers=2, width=5, samples=(1, 2, 3, 1), decay=0.005),
        Problem(classes=5, layers=3, width=6, samples=(1, 1, 3, 2, 1), decay=(0.002, 0.004, 0.001, 0.003)),
        Problem(classes=3, layers=1, width=5, samples=(3, 1, 2), decay=(0.002, 0.008)),
        Problem(classes=5, layers=1, width=6, samples=(3, 1, 2, 2, 1), decay=0.005),
        Problem(classes=4, layers=2, width=6, samples=(3, 1, 2, 2), decay=0.005, loss="mse"),
        Problem(classes=4, layers=1, width=4, samples=(3, 1, 2, 1), decay=(0.005, 0.01), loss="mse"),
    ],
    ids=str,
)
def test_points_found_by_search_equal_the_dense_hessian(problem, rank):
    assert_equals_dense(critical_logits(problem, rank, seed=0), problem)


@pytest.mark.parametrize("samples", [1, 3])
def test_the_orthogonal_frame_of_the_squared_error(samples):
    problem = Problem(classes=4, layers=2, width=6, samples=samples, loss="mse", decay=0.005)
    found = assert_equals_dense(structure("orthogonal-frame", problem).logits, problem)
    assert found.verdict == "Morse-Bott minimum"


def test_the_rank_three_minimum_of_five_classes():
    problem = Problem(classes=5, layers=2, width=7)
    points = [critical_logits(problem, 3, seed=seed) for seed in range(4)]
    best = min(points, key=lambda logits: logits_objective(logits, problem))
    assert logits_objective(best, problem) == pytest.approx(0.0245134291, abs=1e-10)
    found = assert_equals_dense(best, problem)
    assert (found.verdict, found.nullity) == ("Morse-Bott minimum", 2 * (3 * 7 - 6))


@pytest.mark.parametrize("samples", [1, 2])
def test_the_rank_three_code_of_ten_classes(samples):
    """The unnamed minimum that beats every family at L = 3, as the atlas holds it."""
    entry = atlas_entry(10, 3)
    assert entry is not None
    problem = Problem(classes=10, layers=3, width=5, samples=samples, decay=entry.decay / samples**0.25)
    found = assert_equals_dense(entry.logits, problem)
    assert (found.verdict, found.nullity) == ("Morse-Bott minimum", 3 * (3 * 5 - 6))


@pytest.mark.parametrize(("name", "classes"), [("T5", 10), ("paired", 5), ("circle", 5), ("partition-2-3", 5)])
def test_families_with_one_decay_per_factor(name, classes):
    problem = Problem(classes=classes, layers=2, width=6, decay=(0.0005, 0.002, 0.001))
    assert_equals_dense(structure(name, problem).logits, problem)


def test_a_family_of_solutions_is_degenerate():
    # Squared error and equal classes: any rank-1 projection of the optimum is as good, so solutions can be turned.
    problem = Problem(classes=3, layers=2, width=3, loss="mse", decay=0.005)
    single = np.zeros((3, 3))
    single[0, 0] = structure("orthogonal-frame", problem).scales[0]
    found = assert_equals_dense(single, problem)
    assert found.nullity > found.solution_dimension
    assert found.verdict == "degenerate"


@pytest.mark.parametrize("decay", [0.01, (0.3, 0.01, 0.02)])
def test_zero_logits_are_a_minimum_from_two_layers_on(decay):
    problem = Problem(classes=4, layers=2, width=5, samples=2, decay=decay)
    found = assert_equals_dense(np.zeros((4, 4)), problem)
    assert (found.verdict, found.nullity) == ("Morse-Bott minimum", 0)


@pytest.mark.parametrize("decay", [0.01, (0.3, 0.01)])
def test_zero_logits_are_a_saddle_with_one_layer(decay):
    problem = Problem(classes=4, layers=1, width=5, samples=(1, 2, 2, 3), decay=decay)
    assert assert_equals_dense(np.zeros((4, 4)), problem).verdict == "strict saddle"


@pytest.mark.parametrize("name", ["partition-2-2-2-4", "partition-3-3-4", "T5", "circle"])
def test_signs_depend_on_the_geometric_mean_of_the_decays_only(name):
    # Rescaling the factors turns one problem into the other: a congruence of Hessians, which keeps the signs.
    problem = Problem(classes=10, layers=2, width=14, samples=2)
    other = problem.replace(decay=tuple(problem.decay * np.array([4.0, 0.5, 0.5])))
    logits = structure(name, problem).logits
    one, two = balanced_spectrum(logits, problem), balanced_spectrum(logits, other)
    assert (one.negative, one.nullity) == (two.negative, two.nullity)
    assert one.maximum != pytest.approx(two.maximum)


@pytest.mark.parametrize("samples", [(2, 2, 2), (5, 1, 3)])
def test_more_samples_and_width_only_change_multiplicities_of_old_and_new_values(samples):
    problem = Problem(classes=3, layers=2, width=2000, samples=samples)
    logits = critical_logits(problem.replace(width=2), 2, seed=1)
    found = balanced_spectrum(logits, problem)
    assert found.parameters == 3 * 2000 + 2000**2 + 2000 * sum(samples)
    assert found.verdict == "Morse-Bott minimum"


def test_many_samples_equal_the_closed_form():
    problem = Problem(classes=4, layers=3, width=9, samples=10**6, decay=2.0**-14)
    one, two = collapse_spectrum(problem), balanced_spectrum(collapse(problem).logits, problem)
    assert one.multiplicities.tolist() == two.multiplicities.tolist()
    assert one.trace == pytest.approx(two.trace, rel=1e-9)


def test_relu_is_refused():
    problem = Problem(classes=3, layers=2, activation="relu")
    message = "activation: expected \"linear\" for a balanced point, but found 'relu'; use extreme_eigenvalues"
    with pytest.raises(InvalidInputError, match=message):
        balanced_spectrum(np.zeros((3, 3)), problem)


def test_points_that_are_not_critical_are_refused_with_their_residual():
    problem = Problem(classes=5, layers=2)
    logits = structure("paired-trial", problem).logits
    residual = f"{stationarity(logits, problem):.3g}"
    with pytest.raises(InvalidInputError, match=rf"logits: expected a critical point .* found {residual}; minimise"):
        balanced_spectrum(logits, problem)


def test_a_width_below_the_rank_is_refused():
    problem = Problem(classes=5, layers=2, width=3)
    with pytest.raises(InvalidInputError, match=r"rank: expected 0 to min\(classes, width\) = 3, but found 4; widen"):
        balanced_spectrum(collapse(problem).logits, problem)


def test_logits_of_another_problem_are_refused():
    with pytest.raises(InvalidInputError, match=r"logits: expected shape \(3, 3\)"):
        balanced_spectrum(np.zeros((4, 4)), Problem(classes=3, layers=2))


def test_a_large_core_is_refused():
    problem = Problem(classes=60, layers=2, decay=2.0**-14)
    message = "dense Hessian: expected at most 6000 parameters, but found 10561; use extreme_eigenvalues"
    with pytest.raises(TooLargeError, match=message):
        balanced_spectrum(collapse(problem).logits, problem)
