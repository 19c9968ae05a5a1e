"""Agreement of classifier and nearest class mean against a loop over samples."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics import nc4_agreement, nc4_matches
from metrics.oracle import loop_nc4, spread_features

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
CLASSES = st.sampled_from([2, 3, 7])
WIDTHS = st.sampled_from([1, 2, 9])


def case(rng: np.random.Generator, *, classes: int, width: int, spread: float = 1.0):
    """Features, their class means, and a classifier that agrees with them on some of the samples."""
    features, labels = spread_features(rng, classes=classes, width=width, spread=spread)
    means = np.stack([features[labels == k].mean(axis=0) for k in range(classes)])
    weight, bias = means + rng.standard_normal(means.shape), rng.standard_normal(classes)
    return features, means, weight, bias


@given(SEEDS, CLASSES, WIDTHS, st.integers(-9, 0))
def test_equals_the_loop(rng: np.random.Generator, classes: int, width: int, exponent: int):
    features, means, weight, bias = case(rng, classes=classes, width=width, spread=10.0**exponent)
    expected = loop_nc4(features, means, weight, bias)
    assert nc4_matches(features, means=means, weight=weight, bias=bias) == expected
    assert nc4_agreement(features, means=means, weight=weight, bias=bias) == expected / len(features)
    without = loop_nc4(features, means, weight, np.zeros(classes))
    assert nc4_matches(features, means=means, weight=weight) == without


@given(SEEDS, CLASSES, WIDTHS)
def test_an_offset_moves_the_bias_and_nothing_else(rng: np.random.Generator, classes: int, width: int):
    features, means, weight, bias = case(rng, classes=classes, width=width)
    expected = nc4_matches(features, means=means, weight=weight, bias=bias)
    offset = np.full(width, 2.0**20)  # exact in float64 up to 1e-10 of the entries, far from any decision here
    moved = nc4_matches(features + offset, means=means + offset, weight=weight, bias=bias - weight @ offset)
    assert moved == expected


@given(SEEDS, CLASSES, WIDTHS, st.floats(1e-3, 1e3))
def test_invariances(rng: np.random.Generator, classes: int, width: int, scale: float):
    features, means, weight, bias = case(rng, classes=classes, width=width)
    rotation, _ = np.linalg.qr(rng.standard_normal((width, width)))
    order = rng.permutation(classes)
    moved = nc4_matches(
        features @ rotation,
        means=(means @ rotation)[order],
        weight=scale * (weight @ rotation)[order],
        bias=scale * bias[order],
    )
    assert moved == nc4_matches(features, means=means, weight=weight, bias=bias)


def test_one_when_the_classifier_is_the_nearest_mean_rule():
    rng = np.random.default_rng(0)
    features, means, _, _ = case(rng, classes=6, width=4)
    assert nc4_agreement(features, means=means, weight=means, bias=-0.5 * np.square(means).sum(axis=1)) == 1.0
    assert nc4_agreement(features, means=means, weight=-means, bias=0.5 * np.square(means).sum(axis=1)) == 0.0


def test_the_lowest_class_wins_ties_on_both_sides():
    features, means = np.array([[0.0, 5.0]]), np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, -9.0]])
    tied = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    assert nc4_matches(features, means=means, weight=tied) == 1
    assert nc4_matches(features, means=means, weight=tied[[2, 0, 1]]) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32])
def test_any_dtype_is_computed_in_float64(dtype: type):
    rng = np.random.default_rng(1)
    features, means, weight, bias = case(rng, classes=5, width=6)
    narrow = (10 * features).astype(dtype)
    wide = nc4_matches(narrow.astype(np.float64), means=means, weight=weight, bias=bias)
    assert nc4_matches(narrow, means=means, weight=weight, bias=bias) == wide


def test_float32_features_far_from_zero_keep_their_decisions():
    # between the two means lie 2000 steps of float32 at 1e4; products in float32 would drown them
    features = (1e4 + np.linspace(-1.0, 1.0, 101))[:, None].astype(np.float32)
    means = np.array([[1e4 + 1.0], [1e4 - 1.0]])
    weight, bias = np.array([[1.0], [-1.0]]), np.array([-1e4, 1e4])
    assert nc4_matches(features, means=means, weight=weight, bias=bias) == 101


def test_blocks_and_memory_maps(tmp_path: Path):
    rng = np.random.default_rng(2)
    centres, weight = rng.standard_normal((3, 400)), rng.standard_normal((3, 400))
    features = rng.standard_normal((12_000, 400)).astype(np.float32)  # three blocks
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    expected = sum(nc4_matches(part, means=centres, weight=weight) for part in np.split(features, 60))
    assert 0 < expected < 12_000
    assert nc4_matches(mapped, means=centres, weight=weight) == expected
    features[-1, 7] = np.nan
    with pytest.raises(InvalidInputError, match=r"found nan at \(11999, 7\), the first of at least 1"):
        nc4_matches(features, means=centres, weight=weight)


def test_bad_features():
    means = weight = np.eye(2, 3)
    for bad, message in (
        (np.zeros(3), r"features: expected a matrix of numbers with 3 columns, but found float64 of shape \(3,\)"),
        (np.zeros((2, 2)), r"with 3 columns, but found float64 of shape \(2, 2\)"),
        (np.zeros((2, 3), dtype=complex), "but found complex128 of shape"),
        (np.array([[0.0, 1.0, -np.inf]]), r"expected finite entries, but found -inf at \(0, 2\)"),
        (
            np.full((1, 3), np.inf, np.float16),
            r"found inf at \(0, 0\), .*; float16 overflows beyond 65504, compute the",
        ),
        (np.full((1, 3), np.nan, np.float16), r"found nan at \(0, 0\), .*; remove those samples"),
        (np.full((1, 3), 1e308), "expected scores within float64, but found entries up to 1e"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            nc4_matches(bad, means=means * 10, weight=weight * 10)
    with pytest.raises(InvalidInputError, match="features: expected at least one sample, but found none"):
        nc4_agreement(np.zeros((0, 3)), means=means, weight=weight)


def test_a_classifier_that_does_not_fit():
    features = np.zeros((1, 3))
    with pytest.raises(
        InvalidInputError, match=r"weight: expected the shape \(2, 3\) of the means, but found \(3, 3\)"
    ):
        nc4_agreement(features, means=np.eye(2, 3), weight=np.eye(3))
    with pytest.raises(InvalidInputError, match=r"bias: expected shape \(2,\), one per class, but found \(3,\)"):
        nc4_agreement(features, means=np.eye(2, 3), weight=np.eye(2, 3), bias=np.zeros(3))
    with pytest.raises(InvalidInputError, match=r"bias: expected finite entries, but found 1 that are not"):
        nc4_agreement(features, means=np.eye(2, 3), weight=np.eye(2, 3), bias=np.array([0.0, np.inf]))
