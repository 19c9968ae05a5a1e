"""CDNV against loops over pairs of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import cdnv
from deepcollapse.stats import class_moments
from metrics.oracle import loop_cdnv, spread_features

SPREADS = st.integers(-9, 0).map(lambda exponent: 10.0**exponent)
SEEDS = st.integers(0, 2**32).map(np.random.default_rng)


@given(SEEDS, st.sampled_from([2, 3, 4, 9]), st.sampled_from([1, 3, 12]), SPREADS)
def test_equals_the_definition(rng: np.random.Generator, classes: int, width: int, spread: float):
    features, labels = spread_features(rng, classes=classes, width=width, spread=spread)
    moments = class_moments(features, labels, classes=classes)
    for unbiased in (False, True):
        expected = loop_cdnv(features, labels, classes=classes, ddof=int(unbiased))
        # differences from the mean are rounded by 1e-16 relative to the entries: 1e-7 of the least spread
        assert cdnv(moments, unbiased=unbiased) == pytest.approx(expected, rel=1e-9 + 1e-14 / spread)


@given(SEEDS, st.integers(-3, 3), st.sampled_from([1.0, 1e-3]))
def test_invariant_under_shift_rotation_scaling_and_names(rng: np.random.Generator, exponent: int, spread: float):
    features, labels = spread_features(rng, classes=5, width=4, spread=spread)
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    moved = 10.0**exponent * (features @ rotation + rng.standard_normal(4))
    other = class_moments(moved, rng.permutation(5)[labels], classes=5)
    assert cdnv(other) == pytest.approx(cdnv(class_moments(features, labels, classes=5)), rel=1e-9)


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_an_offset_changes_nothing(spread: float):
    features, labels = spread_features(np.random.default_rng(1), classes=5, width=6, spread=spread)
    plain, shifted = (cdnv(class_moments(features + offset, labels, classes=5)) for offset in (0.0, 1e6))
    assert shifted == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_exactly_zero_on_collapsed_features_and_one_sample_per_class(offset: float):
    features, labels = spread_features(np.random.default_rng(0), classes=6, width=8, spread=0.0)
    assert cdnv(class_moments(features + offset, labels, classes=6)) == 0.0
    alone = np.random.default_rng(0).standard_normal((3, 2)) + offset
    assert cdnv(class_moments(alone, np.arange(3), classes=3)) == 0.0


def test_needs_no_scatter():
    features, labels = spread_features(np.random.default_rng(2), classes=4, width=3, spread=0.1)
    whole, traces = (class_moments(features, labels, classes=4, scatter=kept) for kept in (True, False))
    assert cdnv(traces) == pytest.approx(cdnv(whole), rel=1e-12)


def test_a_single_sample_has_no_unbiased_variance():
    moments = class_moments(np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1]), classes=2)
    with pytest.raises(InvalidInputError, match=r"cdnv: expected at least 2 samples per class .* one of \[0\]"):
        cdnv(moments, unbiased=True)
    assert cdnv(moments) == pytest.approx(0.25 / 2 / 1.5**2, rel=1e-15)


def test_equal_means_of_a_pair_are_named():
    features, labels = np.array([[1.0], [5.0], [3.0], [7.0], [4.0]]), np.array([0, 1, 1, 2, 3])
    with pytest.raises(UndefinedError, match=r"of classes 1 and 3, one of 1 such pairs"):
        cdnv(class_moments(features, labels, classes=4))


def test_means_that_differ_by_rounding_of_the_input_are_equal():
    features = np.array([[1000.0], [np.nextafter(np.float32(1000.0), np.float32(2000.0))], [0.0]], dtype=np.float32)
    with pytest.raises(UndefinedError, match="of classes 0 and 1"):
        cdnv(class_moments(features, np.arange(3), classes=3))


def test_empty_classes_and_equal_means_of_all():
    with pytest.raises(InvalidInputError, match=r"found none of \[2\]"):
        cdnv(class_moments(np.array([[1.0], [-1.0]]), np.array([0, 1]), classes=3))
    with pytest.raises(UndefinedError, match="class means: expected at least two that differ"):
        cdnv(class_moments(np.array([[1.0], [1.0]]), np.array([0, 1]), classes=2))
