"""NC1, its rank, and the quotient of traces against dense definitions."""

import inspect
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import between_class, cdnv, nc1, variability_quotient
from deepcollapse.stats import ClassMoments, class_moments
from metrics.oracle import covariances, spread_features, trace_nc1

SPREADS = st.integers(-9, 0).map(lambda exponent: 10.0**exponent)
CLASSES = st.sampled_from([2, 3, 4, 7])
SEEDS = st.integers(0, 2**32).map(np.random.default_rng)


def away_from_the_tolerance(
    features: np.ndarray, labels: np.ndarray, *, classes: int, rtol: float, centre: str
) -> bool:
    """No eigenvalue of Sigma_B so near the tolerance that rounding decides whether it counts."""
    values = np.linalg.eigvalsh(covariances(features, labels, classes=classes, centre=centre)[1])
    shares = values / values.max() / rtol**2
    return not ((shares > 0.99) & (shares < 1.01)).any()


@given(SEEDS, CLASSES, st.sampled_from([1, 2, 5, 12]), SPREADS, st.sampled_from(["class", "sample"]))
def test_equals_the_definition(rng: np.random.Generator, classes: int, width: int, spread: float, centre: str):
    features, labels = spread_features(rng, classes=classes, width=width, spread=spread)
    moments = class_moments(features, labels, classes=classes)
    assume(away_from_the_tolerance(features, labels, classes=classes, rtol=1e-3, centre=centre))
    expected = trace_nc1(features, labels, classes=classes, rtol=1e-3, centre=centre)
    # the dense pseudo-inverse loses up to 1e6 (condition of Sigma_B) of float64's digits
    assert nc1(moments, centre=centre) == pytest.approx(expected, rel=1e-8)
    assert nc1(moments, centre=centre, convention="zhu") == pytest.approx(expected / classes, rel=1e-8)
    within, between = covariances(features, labels, classes=classes, centre=centre)
    assert variability_quotient(moments, centre=centre) == pytest.approx(np.trace(within) / np.trace(between), rel=1e-6)


@given(SEEDS, CLASSES, SPREADS)
def test_directions_diagonalise_the_between_class_covariance(rng: np.random.Generator, classes: int, spread: float):
    features, labels = spread_features(rng, classes=classes, width=9, spread=spread)
    found = between_class(class_moments(features, labels, classes=classes), rtol=1e-6)
    _, between = covariances(features, labels, classes=classes)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(found.rank), atol=1e-12)
    rebuilt = (found.directions.T * found.variances) @ found.directions
    np.testing.assert_allclose(rebuilt, between, rtol=0, atol=1e-11 * np.trace(between))
    assert found.rank == np.linalg.matrix_rank(between, tol=1e-12 * found.variances[0], hermitian=True)


@given(SEEDS, SPREADS, st.integers(-3, 3))
def test_invariant_under_shift_rotation_and_scaling(rng: np.random.Generator, spread: float, exponent: int):
    features, labels = spread_features(rng, classes=4, width=5, spread=spread)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    moved = 10.0**exponent * features @ rotation + rng.standard_normal(5)
    plain, other = (class_moments(x, labels, classes=4) for x in (features, moved))
    assume(away_from_the_tolerance(features, labels, classes=4, rtol=1e-3, centre="class"))
    # moving the features rounds them: by eps relative to their size, within classes relative to the spread
    loss = 1e-12 * max(1.0, np.abs(moved).max() / 10.0**exponent / spread)
    assert nc1(other) == pytest.approx(nc1(plain), rel=1e-6 + loss)
    assert variability_quotient(other) == pytest.approx(variability_quotient(plain), rel=1e-6 + loss)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_exactly_zero_on_collapsed_features(offset: float):
    rng = np.random.default_rng(0)
    features, labels = spread_features(rng, classes=6, width=8, spread=0.0)
    moments = class_moments(features + offset, labels, classes=6)
    assert nc1(moments) == 0.0
    assert variability_quotient(moments) == 0.0


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_an_offset_changes_nothing(spread: float):
    features, labels = spread_features(np.random.default_rng(1), classes=5, width=6, spread=spread)
    plain, shifted = (class_moments(features + offset, labels, classes=5) for offset in (0.0, 1e6))
    # the offset itself rounds each entry by up to 6e-11, that is 6e-8 of the smaller spread
    assert nc1(shifted) == pytest.approx(nc1(plain), rel=1e-6)
    assert variability_quotient(shifted) == pytest.approx(variability_quotient(plain), rel=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 5])
@pytest.mark.parametrize("spread", [1e-2, 1e-3, 1e-4])
def test_rank_deficient_means_in_both_precisions(rank: int, spread: float):
    rng = np.random.default_rng(rank)
    labels = np.arange(4000) % 10
    means = rng.standard_normal((10, rank)) @ rng.standard_normal((rank, 32))
    features = means[labels] + spread * rng.standard_normal((4000, 32))
    wide, narrow = (class_moments(features.astype(dtype), labels, classes=10) for dtype in (np.float64, np.float32))
    assert between_class(wide).rank == between_class(narrow).rank == rank
    assert nc1(narrow) == pytest.approx(nc1(wide), rel=1e-3)
    assert nc1(wide) < rank * (spread * 100) ** 2  # what dividing by the noise of unused directions would exceed


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4])
def test_float32_agrees_where_unused_directions_hold_noise(spread: float):
    rng = np.random.default_rng(7)
    labels = np.arange(2000) % 10
    means = rng.standard_normal((10, 5)) @ rng.standard_normal((5, 16))
    features = means[labels] + spread * rng.standard_normal((2000, 16))
    wide, narrow = (class_moments(features.astype(dtype), labels, classes=10) for dtype in (np.float64, np.float32))
    assert between_class(wide).rank == between_class(narrow).rank
    for metric in (nc1, variability_quotient, cdnv):
        assert metric(narrow) == pytest.approx(metric(wide), rel=1e-3)


@given(SEEDS, CLASSES, SPREADS)
def test_parts_merge_in_any_order(rng: np.random.Generator, classes: int, spread: float):
    features, labels = spread_features(rng, classes=classes, width=5, spread=spread)
    whole = class_moments(features, labels, classes=classes)
    assume(away_from_the_tolerance(features, labels, classes=classes, rtol=1e-3, centre="class"))
    cuts = np.sort(rng.integers(1, labels.size, 2))
    parts = [
        class_moments(x, y, classes=classes)
        for x, y in zip(np.split(features, cuts), np.split(labels, cuts), strict=True)
        if y.size
    ]
    for order in (parts, parts[::-1]):
        merged = reduce(ClassMoments.merge, order)
        for metric in (nc1, variability_quotient, cdnv):
            # means are rounded by 1e-16 relative to the entries, which shows in the spread; the condition of Sigma_B
            # is at most 1e6 above the tolerance
            assert metric(merged) == pytest.approx(metric(whole), rel=1e-8 + 1e-14 / spread)


def test_between_spares_the_decomposition_and_changes_nothing():
    features, labels = spread_features(np.random.default_rng(3), classes=5, width=6, spread=0.1)
    moments = class_moments(features, labels, classes=5)
    for centre in ("class", "sample"):
        between = between_class(moments, rtol=0.1, centre=centre)
        assert nc1(moments, between=between) == nc1(moments, rtol=0.1, centre=centre)


def test_traces_have_a_quotient_but_no_nc1():
    features, labels = spread_features(np.random.default_rng(4), classes=3, width=4, spread=0.1)
    whole, traces = (class_moments(features, labels, classes=3, scatter=kept) for kept in (True, False))
    assert variability_quotient(traces) == pytest.approx(variability_quotient(whole), rel=1e-12)
    with pytest.raises(UndefinedError, match="nc1: expected moments with the scatter matrix, but found traces only"):
        nc1(traces)


def test_the_tolerance_decides_what_counts():
    features = np.repeat(np.diag([1.0, 1e-2, 1e-4, 0.0]), 2, axis=0)
    features[::2] += 1e-7
    moments = class_moments(features, np.repeat(np.arange(4), 2), classes=4)
    ranks = {rtol: between_class(moments, rtol=rtol).rank for rtol in (0.1, 1e-3, 1e-6)}
    assert ranks == {0.1: 1, 1e-3: 2, 1e-6: 3}
    assert nc1(moments, rtol=1e-6) > 100 * nc1(moments)
    coarse = between_class(moments, rtol=0.1)
    assert coarse.tolerance == pytest.approx(0.1 * np.sqrt(coarse.variances[0]), rel=1e-12)


def test_rounding_of_the_input_is_no_direction_at_any_tolerance():
    labels = np.arange(30) % 3
    line = np.outer(np.arange(3.0), [0.1, 0.7])[labels] + 300.0
    found = between_class(class_moments(line.astype(np.float32), labels, classes=3), rtol=0.0)
    assert found.rank == 1
    assert found.tolerance >= np.sqrt(2) * 300 * np.finfo(np.float32).eps


@pytest.mark.parametrize("rtol", [-1e-3, 1.0, 2.0, float("nan"), float("inf")])
def test_a_tolerance_that_leaves_no_direction_is_refused(rtol: float):
    moments = class_moments(np.eye(3), np.arange(3), classes=3)
    for metric in (between_class, nc1):
        with pytest.raises(InvalidInputError, match=r"rtol: expected a share from 0 to below 1, but found .*; the def"):
            metric(moments, rtol=rtol)


def test_means_that_differ_by_rounding_in_every_direction_have_no_nc1():
    """Each centred mean is longer than the rounding of the input, but no direction's standard deviation is."""
    features = 1000.0 + 1.5 * 2.0**-52 * 2000 * np.eye(3, 4)
    with pytest.raises(
        UndefinedError, match=r"class means: expected a standard deviation above rounding, 4.44e-13, in"
    ):
        nc1(class_moments(features, np.arange(3), classes=3))


def test_equal_means_and_empty_classes_raise():
    equal = class_moments(np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([0, 0, 1, 1]), classes=2)
    empty = class_moments(np.array([[1.0], [-1.0]]), np.array([0, 1]), classes=3)
    for metric in (nc1, variability_quotient, between_class):
        with pytest.raises(UndefinedError, match=r"class means: expected at least two that differ"):
            metric(equal)
        with pytest.raises(InvalidInputError, match=r"classes: expected samples of all 3, but found none of \[2\]"):
            metric(empty)


def test_unknown_convention():
    moments = class_moments(np.eye(2), np.arange(2), classes=2)
    with pytest.raises(InvalidInputError, match=r'convention: expected "papyan" or "zhu", but found'):
        inspect.unwrap(nc1)(moments, convention="han")  # the tests' type checker would refuse it first
