"""Equal norms and equal angles against loops over vectors and pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import equiangularity, equinorm, etf_error
from deepcollapse.stats import class_moments
from metrics.oracle import simplex_gram

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
SIZES = st.tuples(st.sampled_from([2, 3, 5, 10, 31]), st.sampled_from([1, 2, 8]))


def simplex(classes: int, width: int, rng: np.random.Generator) -> np.ndarray:
    frame, _ = np.linalg.qr(rng.standard_normal((width, classes)))
    return (np.eye(classes) - 1.0 / classes) @ frame.T


@given(SEEDS, SIZES, st.integers(-9, 9))
def test_equal_the_definitions(rng: np.random.Generator, sizes: tuple[int, int], exponent: int):
    vectors = 10.0**exponent * rng.standard_normal(sizes)
    classes = len(vectors)
    norms = [math.sqrt(math.fsum(x * x for x in v)) for v in vectors]
    mean = math.fsum(norms) / classes
    deviation = math.sqrt(math.fsum((n - mean) ** 2 for n in norms) / (classes - 1))
    assert equinorm(vectors) == pytest.approx(deviation / mean, rel=1e-12, abs=1e-15)
    cosines = [math.fsum(vectors[i] * vectors[j]) / (norms[i] * norms[j]) for i, j in combinations(range(classes), 2)]
    expected = math.fsum(abs(c + 1 / (classes - 1)) for c in cosines) / len(cosines)
    assert equiangularity(vectors) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(SEEDS, st.sampled_from([2, 3, 7, 100]), st.integers(-9, 0), st.sampled_from([0.0, 1e6]))
def test_zero_for_class_means_on_a_simplex(rng: np.random.Generator, classes: int, exponent: int, offset: float):
    size = 10.0**exponent if offset == 0.0 else 1.0
    features = offset + size * simplex(classes, classes + 3, rng)
    means = class_moments(features, np.arange(classes), classes=classes).centred_means()
    rounding = 1e-14 * classes if offset == 0.0 else 1e-8  # of the offset in float64: 1e-10 in each of d entries
    assert equinorm(means) == pytest.approx(0.0, abs=rounding)
    assert equiangularity(means) == pytest.approx(0.0, abs=rounding)


@given(SEEDS, SIZES)
def test_invariances(rng: np.random.Generator, sizes: tuple[int, int]):
    vectors = rng.standard_normal(sizes)
    rotation, _ = np.linalg.qr(rng.standard_normal((sizes[1], sizes[1])))
    assert equinorm(3.0 * vectors @ rotation) == pytest.approx(equinorm(vectors), rel=1e-11, abs=1e-14)
    stretched = rng.uniform(0.1, 10.0, (len(vectors), 1)) * vectors @ rotation
    assert equiangularity(stretched) == pytest.approx(equiangularity(vectors), rel=1e-11, abs=1e-13)


def test_pairs_of_opposite_vectors_are_far_from_a_simplex():
    vectors = np.kron(np.eye(5), [[1.0], [-1.0]])
    assert equinorm(vectors) == 0.0
    # 5 of 45 pairs have cosine -1, the others 0
    assert equiangularity(vectors) == pytest.approx((5 * 8 / 9 + 40 / 9) / 45, rel=1e-14)


def test_a_zero_vector_has_no_angle():
    vectors = np.array([[1.0], [0.0], [-1.0], [0.0]])
    with pytest.raises(UndefinedError, match=r"vectors: expected none to be zero, but found \[1, 3\] of 4"):
        equiangularity(vectors)
    assert equinorm(vectors) == pytest.approx(2 / math.sqrt(3), rel=1e-15)


def test_all_zeros_have_no_variation():
    with pytest.raises(UndefinedError, match=r"vectors: expected one that is not zero, but found 3 zeros"):
        equinorm(np.zeros((3, 2)))


@given(SEEDS, SIZES, st.integers(-9, 9))
def test_etf_error_equals_the_definition(rng: np.random.Generator, sizes: tuple[int, int], exponent: int):
    vectors = 10.0**exponent * rng.standard_normal(sizes)
    gram = vectors @ vectors.T
    expected = np.linalg.norm(gram / np.linalg.norm(gram) - simplex_gram(sizes[0]))
    # both sides round each of the K^2 entries, which are at most one, by a few eps
    assert etf_error(vectors) == pytest.approx(expected, rel=1e-12, abs=1e-15 * sizes[0] * 4)


@given(SEEDS, st.sampled_from([2, 3, 7, 100]), st.sampled_from([1e-200, 1e-9, 1.0, 1e200]))
def test_etf_error_is_zero_on_a_simplex_of_any_size(rng: np.random.Generator, classes: int, size: float):
    assert etf_error(size * simplex(classes, classes + 3, rng)) == pytest.approx(0.0, abs=1e-15 * classes)
    uneven = simplex(classes, classes, rng) * np.append(np.ones(classes - 1), 2.0)[:, None]
    assert etf_error(uneven) > 0.2 / classes  # equal angles are not enough


@given(SEEDS, SIZES)
def test_etf_error_is_invariant_and_at_most_the_root_of_two(rng: np.random.Generator, sizes: tuple[int, int]):
    vectors = rng.standard_normal(sizes)
    rotation, _ = np.linalg.qr(rng.standard_normal((sizes[1], sizes[1])))
    found = etf_error(vectors)
    assert etf_error(3.0 * vectors[::-1] @ rotation) == pytest.approx(found, rel=1e-11, abs=1e-13)
    assert found <= math.sqrt(2) + 1e-12


def test_etf_error_by_hand():
    assert etf_error(np.ones((4, 1))) == pytest.approx(math.sqrt(2), rel=1e-14)  # orthogonal to the simplex
    # <I, S> / (||I|| ||S||) = sqrt((K - 1) / K)
    assert etf_error(np.eye(5)) == pytest.approx(math.sqrt(2 - 2 * math.sqrt(4 / 5)), rel=1e-12)


@pytest.mark.parametrize("metric", [equinorm, etf_error])
def test_float32_and_huge_or_tiny_vectors(metric):
    vectors = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)
    assert metric(vectors) == metric(vectors.astype(np.float64))
    for exponent in (-900, 900):
        assert metric(np.ldexp(vectors.astype(np.float64), exponent)) == metric(vectors)


def test_all_zeros_have_no_shape():
    with pytest.raises(UndefinedError, match=r"vectors: expected one that is not zero, but found 3 zeros"):
        etf_error(np.zeros((3, 2)))


@pytest.mark.parametrize("metric", [equinorm, equiangularity, etf_error])
def test_bad_input(metric):
    for wrong in (np.ones((1, 2)), np.ones(3), np.ones((2, 2, 2))):
        with pytest.raises(InvalidInputError, match=r"vectors: expected a matrix of numbers with at least 2 rows"):
            metric(wrong)
    with pytest.raises(InvalidInputError, match=r"found 1 that are not, the first at \(1, 0\)"):
        metric(np.array([[1.0], [np.nan]]))
