"""CDNV against loops over pairs of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import cdnv
from deepcollapse.metrics.cdnv import class_pairs
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
def test_exactly_zero_on_collapsed_features(offset: float):
    features, labels = spread_features(np.random.default_rng(0), classes=6, width=8, spread=0.0)
    assert cdnv(class_moments(features + offset, labels, classes=6)) == 0.0


def test_needs_no_scatter():
    features, labels = spread_features(np.random.default_rng(2), classes=4, width=3, spread=0.1)
    whole, traces = (class_moments(features, labels, classes=4, scatter=kept) for kept in (True, False))
    assert cdnv(traces) == pytest.approx(cdnv(whole), rel=1e-12)


@given(st.integers(0, 2**32), st.booleans())
def test_pairs_of_equal_means_and_of_single_samples_are_left_out(seed: int, unbiased: bool):
    rng = np.random.default_rng(seed)
    features, labels = spread_features(rng, classes=6, width=4, spread=0.3)
    twin = features[labels == 2][::-1].copy()  # a class in the same place as class 2
    alone = rng.standard_normal((2, 4))
    whole = class_moments(
        np.concatenate([features, twin, alone]),
        np.concatenate([labels, np.full(len(twin), 6), [7, 8]]),
        classes=9,
    )
    pairs = class_pairs(whole)
    names = list(zip(*np.triu_indices(9, k=1), strict=True))
    several = [k for k in range(7) if whole.counts[k] > 1]
    expected = [pair for pair in names if set(pair) <= {*several} and pair != (2, 6)]
    assert [pair for pair, kept in zip(names, pairs.compared, strict=True) if kept] == expected
    values = [
        cdnv(class_moments(whole_rows, whole_labels, classes=2), unbiased=unbiased)
        for whole_rows, whole_labels in (two(features, labels, twin, pair) for pair in expected)
    ]
    assert cdnv(whole, unbiased=unbiased) == pytest.approx(np.mean(values), rel=1e-9)


def two(features, labels, twin, pair):
    """The samples of two classes, of which 6 is the twin."""
    parts = [twin if k == 6 else features[labels == k] for k in pair]
    return np.concatenate(parts), np.repeat([0, 1], [len(part) for part in parts])


def test_one_pair_of_many_does_not_take_the_value_of_the_others():
    means = np.random.default_rng(0).standard_normal((200, 8))
    means[1] = means[0]
    features = np.concatenate([means - 0.1, means + 0.1])
    moments = class_moments(features, np.tile(np.arange(200), 2), classes=200)
    assert cdnv(moments) > 0
    (reason,) = class_pairs(moments).left_out()
    assert reason == "1 of 19900 pairs, whose class means are equal, the first of classes 0 and 1"


def test_no_pair_with_a_value():
    rows, low = np.array([[0.0], [1.0], [2.0]]), np.float32(1000.0)
    with pytest.raises(
        UndefinedError, match=r"cdnv: expected two classes of at least 2 .* found 1 of 1 pairs, .* one sample"
    ):
        cdnv(class_moments(rows, np.array([0, 1, 1]), classes=2))
    near = np.array([[low], [np.nextafter(low, np.float32(2000.0))], [0.0]], dtype=np.float32)
    with pytest.raises(
        UndefinedError, match=r"1 of 3 pairs, whose class means are equal, .* and 3 of 3 pairs, .* one sample"
    ):
        cdnv(class_moments(near, np.arange(3), classes=3))


def test_empty_classes_and_equal_means_of_all():
    with pytest.raises(InvalidInputError, match=r"found none of \[2\]"):
        cdnv(class_moments(np.array([[1.0], [-1.0]]), np.array([0, 1]), classes=3))
    with pytest.raises(UndefinedError, match="class means: expected at least two that differ"):
        cdnv(class_moments(np.array([[1.0], [1.0]]), np.array([0, 1]), classes=2))
