import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from deepcollapse.curvature import balanced_spectrum, collapse_spectrum, collapse_stability, group_stability
from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.ufm import Problem, structure

CLASSES = (2, 3, 4, 5, 6, 10, 37, 120)
LAYERS = (2, 3, 5, 16, 64)


@pytest.mark.parametrize(
    ("classes", "layers", "scale"),
    [
        (3, 2, 0.787742),
        (3, 3, 1.101323),
        (3, 5, 1.395015),
        (7, 3, 3.5),
        (10, 2, 10 / 3),
        (100, 3, 50.0),
        (2, 1, 0.0),
        (9, 1, 0.0),
    ],
)
def test_reference_values(classes, layers, scale):
    found = collapse_stability(Problem(classes=classes, layers=layers, samples=4))
    assert found.scale_min == pytest.approx(scale, abs=1e-6)


def problem_with_root(scale, problem):
    share = (problem.layers - 1) / problem.factors
    decay = scale**share / (problem.classes - 1 + math.exp(scale)) / problem.samples ** (1 / problem.factors)
    return problem.replace(decay=decay)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("samples", [1, 7])
def test_no_eigenvalue_is_negative_exactly_from_the_threshold_on(classes, layers, samples):
    problem = Problem(classes=classes, layers=layers, samples=samples, width=classes + 1)
    threshold = collapse_stability(problem).scale_min
    for factor in (0.02, 0.3, 0.8, 0.999):
        below = factor * threshold
        assert collapse_spectrum(problem_with_root(below, problem), scale=below).negative > 0
    for factor in (1.0, 1.001, 1.3, 3.0):
        above = factor * threshold
        assert collapse_spectrum(problem_with_root(above, problem), scale=above).negative == 0


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("layers", LAYERS)
def test_the_fold_is_not_above_the_threshold(classes, layers):
    share = (layers - 1) / (layers + 1)
    fold = brentq(lambda alpha: alpha / (1 + (classes - 1) * np.exp(-alpha)) - share, 1e-9, classes, rtol=1e-14)
    threshold = collapse_stability(Problem(classes=classes, layers=layers)).scale_min
    if classes == 2:
        assert threshold == pytest.approx(fold, rel=1e-9)
    else:
        assert threshold > fold * (1 + 1e-3)


@pytest.mark.parametrize("classes", [2, 3, 4, 7, 12])
@pytest.mark.parametrize("layers", [2, 3, 6])
@pytest.mark.parametrize("samples", [1, 5])
def test_the_decay_separates_minima_from_saddles(classes, layers, samples):
    problem = Problem(classes=classes, layers=layers, samples=samples)
    limit = collapse_stability(problem).decay_max
    below, above = (problem.replace(decay=limit * factor) for factor in (1 - 1e-3, 1 + 1e-3))
    assert collapse_spectrum(below).positive_semidefinite
    assert collapse_stability(below).stable
    assert not collapse_stability(above).stable
    if classes == 2:
        with pytest.raises(UndefinedError):
            collapse_spectrum(above)
    else:
        assert collapse_spectrum(above).verdict == "strict saddle"


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@pytest.mark.parametrize("samples", [1, 5])
def test_one_layer_is_stable_wherever_collapse_exists(classes, samples):
    problem = Problem(classes=classes, layers=1, samples=samples)
    limit = collapse_stability(problem).decay_max
    assert limit == pytest.approx(1 / (classes * math.sqrt(samples)))
    below = problem.replace(decay=0.999 * limit)
    assert collapse_stability(below).stable
    assert collapse_spectrum(below).verdict == "Morse-Bott minimum"
    assert not collapse_stability(problem.replace(decay=1.001 * limit)).stable
    with pytest.raises(UndefinedError):
        collapse_spectrum(problem.replace(decay=1.001 * limit))


def test_many_classes_have_an_exponentially_small_threshold():
    assert collapse_stability(Problem(classes=100, layers=3)).decay_max == pytest.approx(
        50**0.5 / (99 + math.exp(50)), rel=1e-12
    )
    assert collapse_stability(Problem(classes=1000, layers=3)).log_decay_max == pytest.approx(
        0.5 * math.log(500) - 500, rel=1e-12
    )


@given(classes=st.integers(4, 10**7), layers=st.integers(2, 100), samples=st.integers(1, 10**6))
def test_the_logarithm_never_over_or_underflows(classes, layers, samples):
    found = collapse_stability(Problem(classes=classes, layers=layers, samples=samples))
    assert math.isfinite(found.log_decay_max)
    assert found.decay_max == math.exp(found.log_decay_max)
    share = (layers - 1) / (layers + 1)
    assert found.log_decay_max <= share * math.log(classes) - share * classes


def test_decays_per_factor_count_by_their_geometric_mean():
    problem = Problem(classes=6, layers=2)
    limit = collapse_stability(problem).decay_max
    for factor, stable in [(0.99, True), (1.01, False)]:
        decays = tuple(factor * limit * np.array([8.0, 0.5, 0.25]))
        other = problem.replace(decay=decays)
        assert collapse_stability(other).stable is stable
        assert balanced_spectrum(structure("simplex", other).logits, other).positive_semidefinite is stable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "mse"}, "loss: expected \"ce\" for the closed form, but found 'mse'"),
        ({"activation": "relu"}, "activation: expected \"linear\" for the closed form, but found 'relu'"),
        ({"samples": (1, 2, 1, 1)}, "samples: expected equally many per class"),
    ],
)
def test_other_problems_are_refused(changes, message):
    problem = Problem(classes=4, layers=2).replace(**changes)
    with pytest.raises(InvalidInputError, match=message):
        collapse_stability(problem)
    with pytest.raises(InvalidInputError, match=message):
        group_stability(4, problem)


@pytest.mark.parametrize(
    ("sizes", "layers", "decay", "samples"),
    [
        ((2, 2, 2, 4), 2, 2.0**-10, 1),
        ((2, 2, 6), 2, 2.0**-10, 1),
        ((2, 8), 2, 2.0**-10, 1),
        ((3, 3, 4), 2, 2.0**-10, 1),
        ((5, 5), 3, 2.0**-9, 2),
        ((4, 5), 2, 2.0**-12, 3),
        ((4, 6), 3, 2.0**-12, 1),
    ],
)
def test_groups_have_their_eigenvalue_in_the_spectrum_of_the_partition(sizes, layers, decay, samples):
    problem = Problem(classes=sum(sizes), layers=layers, decay=decay, samples=samples)
    spectrum = balanced_spectrum(structure("partition-" + "-".join(map(str, sizes)), problem).logits, problem)
    for size in {size for size in sizes if size >= 4}:
        group = group_stability(size, problem)
        gaps = np.abs(spectrum.eigenvalues - group.eigenvalue)
        assert gaps.min() < 1e-9 * decay
        assert spectrum.multiplicities[gaps.argmin()] == sizes.count(size) * group.multiplicity
        assert group.stable == (group.eigenvalue >= 0)
        if not group.stable:
            assert spectrum.negative >= group.multiplicity


def test_the_partition_without_negative_curvature_has_stable_groups():
    problem = Problem(classes=10, layers=2)
    assert [group_stability(size, problem).stable for size in (4, 6, 8, 10)] == [False, True, True, True]


@pytest.mark.parametrize(("classes", "layers"), [(4, 2), (7, 3), (12, 5)])
def test_the_group_of_all_classes_is_collapse(classes, layers):
    problem = Problem(classes=classes, layers=layers, decay=2.0**-9)
    group, found = group_stability(classes, problem), collapse_stability(problem)
    assert group.stable == found.stable
    assert group.kappa == pytest.approx(group.scale / classes)
    assert np.abs(collapse_spectrum(problem).eigenvalues - group.eigenvalue).min() < 1e-12


@pytest.mark.parametrize("size", [3, 11])
def test_sizes_out_of_range_are_refused(size):
    message = f"size: expected a group of 4 to 10 classes, but found {size}; use balanced_spectrum"
    with pytest.raises(InvalidInputError, match=message):
        group_stability(size, Problem(classes=10, layers=2))


def test_groups_need_one_decay():
    problem = Problem(classes=10, layers=2, decay=(0.001, 0.001, 0.002))
    with pytest.raises(
        InvalidInputError, match="decay: expected one number for the closed form, but found 2 different"
    ):
        group_stability(4, problem)


def test_a_group_that_does_not_exist_at_this_decay():
    with pytest.raises(UndefinedError, match="only Z = 0 is stationary along the ray: lower the decay"):
        group_stability(4, Problem(classes=10, layers=3, decay=0.5))
