import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr, softmax

from deepcollapse.errors import TooLargeError, UndefinedError
from deepcollapse.ufm import (
    Problem,
    logits_objective,
    minority_collapse_decay,
    one_layer_minimum,
    stationarity,
    structure,
)

SIZES = st.lists(st.sampled_from([1, 2, 3, 5, 10, 30, 1000]), min_size=2, max_size=7)


def one_layer(samples, decay):
    return Problem(classes=len(samples), layers=1, samples=tuple(samples), decay=decay)


def dense_bound(logits, problem):
    """The dual value at the softmax of K x K logits, moved towards the identity until it is feasible; from the text."""
    weights, roots = problem.class_weights, np.sqrt(problem.class_samples)
    away = np.eye(problem.classes) - softmax(logits, axis=0)
    share = min(1.0, problem.mean_decay / np.linalg.norm(away * (weights / roots), ord=2))
    return float(entr(np.clip(np.eye(problem.classes) - share * away, 0, 1)).sum(axis=0) @ weights)


def proximal_minimum(problem, *, steps=20_000):
    """Accelerated proximal gradient on X = Zbar D, K x K, with restarts: no symmetry, no smoothing."""
    roots, size = np.sqrt(problem.class_samples), 2.0 * problem.total_samples
    here = ahead = np.zeros((problem.classes,) * 2)
    pace = 1.0
    for _ in range(steps):
        slope = (softmax(ahead / roots, axis=0) - np.eye(problem.classes)) * problem.class_weights / roots
        u, s, vt = np.linalg.svd(ahead - size * slope)
        after = (u * np.maximum(s - size * problem.mean_decay, 0.0)) @ vt
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * pace**2))
        if ((ahead - after) * (after - here)).sum() > 0:
            following = 1.0
        ahead = after + (pace - 1.0) / following * (after - here)
        here, pace = after, following
    return here / roots


@pytest.mark.parametrize("samples", [(10, 10, 2, 2), (1, 2, 3, 4), (7, 1), (20, 20, 20, 1, 1)])
@pytest.mark.parametrize("decay", [0.02, 0.06])
def test_against_proximal_gradient_on_whole_matrices(samples, decay):
    problem = one_layer(samples, decay)
    slow = proximal_minimum(problem, steps=3000)
    bound = dense_bound(slow, problem)
    assert logits_objective(slow, problem) - bound < 1e-9  # the oracle has arrived
    found = one_layer_minimum(problem)
    assert found.loss == pytest.approx(bound, abs=1e-9)
    assert found.logits == pytest.approx(slow, abs=1e-3)  # F is flat to second order: sqrt(1e-9 / curvature)


@settings(deadline=None, max_examples=12)
@given(samples=SIZES, exponent=st.integers(-30, -2))
def test_certified_on_whole_matrices(samples, exponent):
    """The gap from K x K logits, without groups, coordinates or the reduced loss; rounding alone is left."""
    problem = one_layer(samples, 2.0**exponent)
    try:
        found = one_layer_minimum(problem)
    except UndefinedError:
        root = np.sqrt(samples)
        centred = np.eye(len(samples)) - 1 / len(samples)
        assert problem.mean_decay >= np.linalg.norm(centred * root, ord=2) / sum(samples) * (1 - 1e-12)
        return
    logits = found.logits
    loss = logits_objective(logits, problem)
    assert loss == pytest.approx(found.loss, rel=1e-9, abs=1e-13)
    assert loss - dense_bound(logits, problem) <= 1e-9 * loss + 1e-13
    assert found.gap <= 1e-9 * loss
    assert logits.sum(axis=0) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=12)
@given(classes=st.integers(2, 40), samples=st.integers(1, 500), exponent=st.integers(-40, -12))
def test_equal_sizes_give_the_simplex(classes, samples, exponent):
    problem = Problem(classes=classes, layers=1, samples=samples, decay=2.0**exponent)
    target = structure("simplex", problem)
    found = one_layer_minimum(problem)
    assert found.logits == pytest.approx(target.logits, rel=1e-12, abs=1e-12 * target.scales[0])
    assert found.loss == pytest.approx(target.loss, rel=1e-12)


@pytest.mark.parametrize(("few", "ratio"), [(2, 30), (3, 100), (5, 5), (4, 1000)])
def test_minority_classes_coincide_exactly_from_the_threshold_on(few, ratio):
    samples = (ratio,) * 3 + (1,) * few
    threshold = minority_collapse_decay(one_layer(samples, 0.1), samples=1)
    assert threshold == pytest.approx(1 / sum(samples))
    for share, rank in ((1.0 - 1e-6, few + 2), (1.0, 3), (1.5, 3)):
        problem = one_layer(samples, share * threshold)
        logits = one_layer_minimum(problem).logits
        assert np.linalg.matrix_rank(logits, rtol=1e-10) == rank
        assert stationarity(logits, problem) < 1e-6  # just below the threshold a singular value is 1e-6 small
        spread = np.ptp(logits[3:, 3:], axis=0).max()
        assert bool(spread == 0) == (rank == 3)


@pytest.mark.parametrize(
    ("samples", "decay"),
    [
        ((1000, 1), 2.0**-20),
        ((1000, 1, 1), 2.0**-12),
        ((1000,) * 150 + (1,) * 150, 2.0**-16),
        ((100,) * 150 + (1,) * 150, 2.0**-12),
        ((10, 9, 2, 1), 1e-250),
        (tuple(range(1, 13)), 2.0**-8),
        (tuple(int(500 * 0.01 ** (i / 29)) for i in range(30)), 2.0**-10),
    ],
)
def test_extremes(samples, decay):
    """Ratios of 1000, hundreds of classes, tiny decays, sizes that all differ and ranks that fall."""
    problem = one_layer(samples, decay)
    found = one_layer_minimum(problem)
    assert -1e-12 * found.loss <= found.gap <= 1e-9 * found.loss
    assert stationarity(found.logits, problem) < 1e-6


def test_refusals():
    problem = one_layer((10, 10, 2, 2), 0.5)
    with pytest.raises(
        UndefinedError, match=r"expected a decay below 0\.131761569, but found 0\.5; at this decay it is"
    ):
        one_layer_minimum(problem)
    below = one_layer_minimum(problem.replace(decay=0.1317))
    assert 0 < np.abs(below.logits).max() < 0.1
    with pytest.raises(TooLargeError, match="at most 256 distinct numbers per class, but found 300; round them"):
        one_layer_minimum(one_layer(range(1, 301), 1e-6))
    with pytest.raises(UndefinedError, match=r"but found 3, which 0 has; choose one of \[2, 10\]"):
        minority_collapse_decay(problem, samples=3)
