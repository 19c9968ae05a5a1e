"""Class moments against sums in rational arithmetic, over spreads of nine orders of magnitude."""

import inspect
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.stats import ClassMoments, class_moments, sums


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Features and shuffled labels; every class has at least one sample, classes are unequally large."""
    classes, width = draw(st.sampled_from([2, 3, 5, 11])), draw(st.sampled_from([1, 2, 7]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = np.repeat(np.arange(classes), rng.integers(1, 9, classes))
    rng.shuffle(labels)
    spread, offset = 10.0 ** draw(st.integers(-9, 0)), draw(st.sampled_from([0.0, 1.0, -1e6]))
    noise = spread * rng.standard_normal((labels.size, width))
    return offset + rng.standard_normal((classes, width))[labels] + noise, labels, classes


def naive(features: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and scatter of exactly these numbers, in rational arithmetic, rounded once."""
    exact = np.vectorize(Fraction, otypes=[object])(features)
    means = np.array([exact[labels == k].sum(axis=0) / int((labels == k).sum()) for k in range(classes)])
    rest = exact - means[labels]
    return means.astype(float), (rest.T @ rest).astype(float)


def assert_same(found: ClassMoments, expected: ClassMoments, *, size: float) -> None:
    """Equal up to rounding of features of this size: a merge squares differences of rounded means."""
    unit = 16 * np.finfo(float).eps
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.means, expected.means, rtol=0, atol=unit * size)
    deviation = np.sqrt(expected.scatter.trace())
    slack = unit * (expected.scatter.trace() + np.sqrt(expected.total) * size * deviation)
    slack += expected.total * (unit * size) ** 2
    np.testing.assert_allclose(found.scatter, expected.scatter, rtol=0, atol=slack)
    np.testing.assert_allclose(found.spreads, expected.spreads, rtol=0, atol=slack)
    assert found.resolution == expected.resolution


@given(samples())
def test_equals_the_definition(data: tuple):
    features, labels, classes = data
    found = class_moments(features, labels, classes=classes)
    means, scatter = naive(features, labels, classes)
    np.testing.assert_array_equal(found.counts, [np.sum(labels == k) for k in range(classes)])
    np.testing.assert_allclose(found.means, means, rtol=4e-16 * labels.size, atol=1e-14)
    np.testing.assert_allclose(found.scatter, scatter, rtol=0, atol=4e-16 * labels.size * scatter.trace())
    np.testing.assert_allclose(found.within, scatter / labels.size, rtol=0, atol=4e-16 * scatter.trace())
    spreads = [naive(features[labels == k], 0 * labels[labels == k], 1)[1].trace() for k in range(classes)]
    np.testing.assert_allclose(found.spreads, spreads, rtol=4e-16 * labels.size)
    assert found.resolution == np.abs(features).max() * 2.0**-52
    assert (found.classes, found.width, found.total) == (classes, features.shape[1], labels.size)


@given(samples(), st.integers(1, 9), st.randoms(use_true_random=False))
def test_parts_merge_in_any_order(data: tuple, parts: int, random):
    features, labels, classes = data
    rows = np.array_split(np.arange(labels.size), min(parts, labels.size))
    pieces = [class_moments(features[r], labels[r], classes=classes) for r in rows]
    random.shuffle(pieces)
    while len(pieces) > 1:
        other = pieces.pop(random.randrange(len(pieces)))
        pieces[0] = pieces[0].merge(other) if random.random() < 0.5 else other.merge(pieces[0])
    assert_same(pieces[0], class_moments(features, labels, classes=classes), size=np.abs(features).max())


@given(samples())
def test_blocks_do_not_show(data: tuple):
    features, labels, classes = data
    whole = class_moments(features, labels, classes=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_BLOCK_ROWS", 5)
        assert_same(class_moments(features, labels, classes=classes), whole, size=np.abs(features).max())


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e-30])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_collapsed_features_have_exactly_no_scatter(offset: float, dtype: type, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sums, "_BLOCK_ROWS", 8)
    means = np.random.default_rng(0).standard_normal((3, 5))
    features = np.repeat((0.01 * means + min(offset, 6e4 if dtype == np.float16 else offset)).astype(dtype), 7, axis=0)
    found = class_moments(features, np.repeat(np.arange(3), 7), classes=3)
    np.testing.assert_array_equal(found.scatter, 0.0)
    np.testing.assert_array_equal(found.spreads, 0.0)
    np.testing.assert_array_equal(found.means, features[::7].astype(float))


def test_an_offset_that_loses_no_digits_changes_nothing():
    rng = np.random.default_rng(1)
    labels = np.arange(300) % 4
    grid = np.round(2.0**20 * (rng.standard_normal((4, 6))[labels] + 1e-3 * rng.standard_normal((300, 6)))) / 2.0**20
    plain, shifted = (class_moments(x, labels, classes=4) for x in (grid, grid + 1e6))
    np.testing.assert_array_equal(shifted.scatter, plain.scatter)
    np.testing.assert_allclose(shifted.centred_means(), plain.centred_means(), rtol=0, atol=1e-9)


@given(st.integers(3, 100), st.integers(0, 2**32))
def test_a_first_sample_far_from_its_class_is_no_worse_than_its_share(count: int, seed: int):
    features = np.random.default_rng(seed).standard_normal((count, 3))
    features[0] = 1e9
    found = class_moments(features, np.append(np.zeros(count - 1, dtype=int), 1), classes=2)
    means, scatter = naive(features[:-1], np.zeros(count - 1, dtype=int), 1)
    # up to n terms of size 1e9 (squared 3e18, about the trace) with up to n roundings each
    slack = count * 2.0**-53
    np.testing.assert_allclose(found.means[:1], means, rtol=0, atol=slack * 1e9)
    np.testing.assert_allclose(found.scatter, scatter, rtol=0, atol=slack * count * scatter.trace())


def test_without_the_scatter_matrix_all_else_is_the_same():
    rng = np.random.default_rng(4)
    features, labels = rng.standard_normal((30, 5)), np.arange(30) % 3
    full, light = (class_moments(features, labels, classes=4, scatter=kept) for kept in (True, False))
    assert light.scatter is None
    for name in ("counts", "means", "spreads"):
        np.testing.assert_array_equal(getattr(light, name), getattr(full, name))
    halves = [
        class_moments(features[half], labels[half], classes=4, scatter=False) for half in np.split(np.arange(30), 2)
    ]
    merged = halves[0].merge(halves[1])
    assert merged.scatter is None
    np.testing.assert_allclose(merged.spreads, full.spreads, rtol=1e-14)
    with pytest.raises(
        InvalidInputError, match=r"within: expected the scatter matrix, but found traces only; take the"
    ):
        _ = light.within
    with pytest.raises(InvalidInputError, match=r"merge: expected a scatter matrix in both or in neither"):
        full.merge(light)


def test_wide_features_need_no_square_matrix():
    features = np.random.default_rng(5).standard_normal((6, 200_000)).astype(np.float32)  # d x d would be 320 GB
    found = class_moments(features, np.arange(6) % 2, classes=2, scatter=False)
    expected = [np.square(features[k::2] - features[k::2].astype(float).mean(axis=0)).sum() for k in range(2)]
    np.testing.assert_allclose(found.spreads, expected, rtol=1e-10)


def test_empty_classes_are_dropped():
    features = np.random.default_rng(6).standard_normal((9, 3))
    labels = np.array([1, 1, 4, 4, 4, 5, 5, 5, 5])
    found = class_moments(features, labels, classes=7)
    assert found.empty == (0, 2, 3, 6)
    expected = class_moments(features, np.searchsorted([1, 4, 5], labels), classes=3)
    assert found.present().empty == ()
    for name in ("counts", "means", "scatter", "resolution", "spreads"):
        np.testing.assert_array_equal(getattr(found.present(), name), getattr(expected, name))
    alone = class_moments(features, np.full(9, 3), classes=7)
    with pytest.raises(InvalidInputError, match=r"classes: expected samples of at least 2, but found only of \[3\]"):
        alone.present()


def test_memory_mapped_features(tmp_path: Path):
    rng = np.random.default_rng(7)
    features, labels = rng.standard_normal((2500, 8)).astype(np.float32), rng.integers(0, 5, 2500)
    np.save(tmp_path / "features.npy", features)
    mapped = class_moments(np.load(tmp_path / "features.npy", mmap_mode="r"), labels, classes=5)
    np.testing.assert_array_equal(mapped.scatter, class_moments(features, labels, classes=5).scatter)


def test_memory_beside_the_features_is_a_block():
    features = np.zeros((60_000, 64), dtype=np.float32)
    labels = np.arange(60_000) % 10
    class_moments(features[:2000], labels[:2000], classes=10)
    tracemalloc.start()
    class_moments(features, labels, classes=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (
        peak < 4 * 1024 * 64 * 8 + 2**20
    )  # four blocks of 1,024 rows in float64; a copy of the features is 15 times that


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_type(dtype: type):
    features, labels = np.random.default_rng(8).standard_normal((20, 2)), np.arange(20) % 3
    found = class_moments(features, labels.astype(dtype), classes=3)
    np.testing.assert_array_equal(found.scatter, class_moments(features, labels, classes=3).scatter)


def test_float32_features_are_widened_before_anything_is_summed():
    features = (1000.0 + np.random.default_rng(2).standard_normal((50, 3))).astype(np.float32)
    labels = np.arange(50) % 2
    narrow, wide = (class_moments(features.astype(dtype), labels, classes=2) for dtype in (np.float32, np.float64))
    np.testing.assert_array_equal(narrow.scatter, wide.scatter)
    np.testing.assert_array_equal(narrow.means, wide.means)
    assert narrow.resolution == 2.0**29 * wide.resolution


@given(samples(), st.sampled_from(["class", "sample"]))
def test_centred_means(data: tuple, centre: str):
    features, labels, classes = data
    found = class_moments(features, labels, classes=classes).centred_means(centre)
    means, _ = naive(features, labels, classes)
    middle = means.mean(axis=0) if centre == "class" else means[labels].mean(axis=0)
    np.testing.assert_allclose(found, means - middle, rtol=0, atol=1e-14 * labels.size * np.abs(features).max())


def test_a_class_mean_at_the_centre_is_exactly_zero():
    features = np.array([[-0.1, 0.3], [0.1, -0.3], [0.0, 0.0]]) + 0.7
    centred = class_moments(features, np.arange(3), classes=3).centred_means()
    np.testing.assert_array_equal(centred[2], 0.0)
    assert np.linalg.norm(centred[0]) > 0.3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_means_have_no_centred_means(dtype: type):
    rng = np.random.default_rng(3)
    half = rng.integers(-100, 100, (40, 4))
    features = (0.1 * np.concatenate([half, -half, half, -half]) + 1e3).astype(dtype)
    found = class_moments(features, np.repeat([0, 1], 80), classes=2)
    with pytest.raises(UndefinedError, match=r"class means: expected at least two that differ, but found 2 equal ones"):
        found.centred_means()


def test_an_empty_class_is_named():
    found = class_moments(np.eye(3), np.array([0, 2, 2]), classes=4)
    np.testing.assert_array_equal(found.counts, [1, 0, 2, 0])
    with pytest.raises(InvalidInputError, match=r"classes: expected samples of all 4, but found none of \[1, 3\]"):
        found.centred_means()


@pytest.mark.parametrize("centre", ["Sample", "samples", "", None])
def test_an_unknown_centre_is_refused(centre: str | None):
    moments = class_moments(np.eye(3), np.arange(3), classes=3)
    with pytest.raises(InvalidInputError, match=r'centre: expected "class" or "sample", but found .*; choose one'):
        inspect.unwrap(ClassMoments.centred_means)(moments, centre)


HALF_INFINITE = np.array([[1.0], [np.inf]], dtype=np.float16)
BAD = [
    (np.zeros((2, 1), dtype=int), np.array([0, 1]), 2, r"features: expected floating-point numbers, but found int64"),
    (
        np.zeros((2, 1, 3)),
        np.array([0, 1]),
        2,
        r"one row per sample, N x d, but found shape \(2, 1, 3\); flatten or pool",
    ),
    (np.zeros((2, 0)), np.array([0, 1]), 2, r"one row per sample, N x d, but found shape \(2, 0\)"),
    (
        np.zeros((2, 1)),
        np.eye(2, dtype=int),
        2,
        r"one number per sample, but found shape \(2, 2\) for 2 samples; pass cl",
    ),
    (
        HALF_INFINITE,
        np.array([0, 1]),
        2,
        r"found inf at \(1, 0\), .* float16 overflows beyond 65504, compute .* float32",
    ),
    (HALF_INFINITE.astype(np.float32), np.array([0, 1]), 2, r"found inf at \(1, 0\), .*; remove those samples"),
    (HALF_INFINITE * np.float16("nan"), np.array([0, 1]), 2, r"found nan at \(0, 0\), .*; remove those samples"),
    (np.zeros((2, 1)), np.array([0, 1]), 1, r"classes: expected at least 2, but found 1"),
    (
        np.zeros((2, 1)),
        np.array([0]),
        2,
        r"labels: expected one number per sample, but found shape \(1,\) for 2 samples",
    ),
    (np.zeros((0, 1)), np.zeros(0, dtype=int), 2, r"features: expected at least one sample, but found none"),
    (
        [[0.0], [1.0]],
        np.array([0, 1]),
        2,
        r"features: expected a NumPy array, but found list; convert with np.asarray, or",
    ),
    (np.zeros((2, 1)), [0, 1], 2, r"labels: expected a NumPy array, but found list; convert"),
    (
        np.array([[1e160], [-1e160]]),
        np.array([0, 1]),
        2,
        r"squares within float64, but found entries up to 1e\+160; resc",
    ),
    (
        np.array([[1e-160], [0.0]]),
        np.array([0, 1]),
        2,
        r"squares within float64, but found entries up to 1e-160; rescale",
    ),
    (np.zeros((2, 1)), np.array([0.0, 1.0]), 2, r"labels: expected whole numbers, but found float64"),
    (np.zeros((2, 1)), np.array([True, False]), 2, r"labels: expected whole numbers, but found bool"),
    (np.zeros((2, 1)), np.array([0, 2]), 2, r"labels: expected 0 to 1, but found 0 to 2"),
    (np.zeros((2, 1)), np.array([-1, 1]), 2, r"labels: expected 0 to 1, but found -1 to 1"),
    (np.array([[0.0, 1.0], [np.nan, np.inf]]), np.array([0, 1]), 2, r"found nan at \(1, 0\), the first of at least 2"),
    (np.array([[1e200], [-1e200], [0.0]]), np.array([0, 0, 1]), 2, r"found entries up to 1e\+200; rescale"),
]


@pytest.mark.parametrize(("features", "labels", "classes", "message"), BAD)
def test_bad_input(features: np.ndarray, labels: np.ndarray, classes: int, message: str):
    with pytest.raises(InvalidInputError, match=message):
        inspect.unwrap(class_moments)(features, labels, classes=classes)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
def test_numbers_that_float64_does_not_hold_are_refused():
    with pytest.raises(InvalidInputError, match=r"features: expected floating-point numbers, but found float\d+; cast"):
        class_moments(np.eye(2, dtype=np.longdouble), np.arange(2), classes=2)


def test_the_index_of_a_bad_entry_counts_from_the_first_row(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sums, "_BLOCK_ROWS", 4)
    features = np.zeros((10, 2))
    features[9, 1] = -np.inf
    with pytest.raises(InvalidInputError, match=r"found -inf at \(9, 1\)"):
        class_moments(features, np.arange(10) % 2, classes=2)


def test_moments_of_other_layers_do_not_merge():
    first = class_moments(np.eye(2), np.arange(2), classes=2)
    other = class_moments(np.eye(3)[:2], np.arange(2), classes=2)
    with pytest.raises(InvalidInputError, match=r"merge: expected 2 classes of width 2, but found 2 of width 3"):
        first.merge(other)
