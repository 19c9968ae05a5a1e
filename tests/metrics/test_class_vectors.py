"""Input checks, exact scaling and pair distances."""

from itertools import combinations
from math import fsum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.class_vectors import class_vectors, directions, pair_squares, unit_scaled

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)


@pytest.mark.parametrize(
    "wrong", [np.ones(3), np.ones((2, 2, 2)), np.ones((1, 3)), np.ones((2, 2)) > 0, np.eye(2) * 1j]
)
def test_only_matrices_of_numbers(wrong: np.ndarray):
    with pytest.raises(InvalidInputError, match=r"rows: expected a matrix of numbers with at least 2 rows, one per"):
        class_vectors("rows", wrong)


def test_the_first_entry_that_is_not_finite_is_named():
    matrix = np.array([[1.0, 2.0], [np.inf, np.nan]])
    with pytest.raises(InvalidInputError, match=r"rows: expected finite entries, but found 2 .* first at \(1, 0\)"):
        class_vectors("rows", matrix)


@given(SEEDS, st.integers(-1000, 1000), st.booleans())
def test_scaling_is_exact(rng: np.random.Generator, exponent: int, by_row: bool):
    matrix = rng.standard_normal((4, 3))
    scaled = unit_scaled(np.ldexp(matrix, exponent), by_row=by_row)
    np.testing.assert_array_equal(scaled, unit_scaled(matrix, by_row=by_row))
    largest = np.abs(scaled).max(axis=1 if by_row else None)
    assert ((largest >= 0.5) & (largest < 1.0)).all()
    assert (scaled / matrix > 0).all()


def test_subnormal_numbers_are_scaled_exactly():
    matrix = np.array([[5e-324], [-1.5e-323]])
    np.testing.assert_array_equal(unit_scaled(matrix), np.ldexp([[1.0], [-3.0]], -51))
    np.testing.assert_array_equal(unit_scaled(np.array([[1.7e308]])), np.ldexp([[1.7e308]], -1024))


def test_scaling_leaves_zeros():
    assert not unit_scaled(np.zeros((2, 3))).any()
    assert unit_scaled(np.array([[0.0], [8.0]]), by_row=True).tolist() == [[0.0], [0.5]]


@given(SEEDS, st.sampled_from([-300, -160, 0, 160, 300]))
def test_directions_have_unit_length_at_any_size(rng: np.random.Generator, exponent: int):
    vectors = rng.standard_normal((5, 4)) * 10.0**exponent
    found = directions("rows", vectors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(np.sign(found), np.sign(vectors))


def test_zero_rows_are_named():
    with pytest.raises(UndefinedError, match=r"rows: expected none to be zero, but found \[0, 2\] of 3; a zero vector"):
        directions("rows", np.array([[0.0], [1.0], [0.0]]))


@given(SEEDS, st.sampled_from([2, 3, 12]), st.sampled_from([1, 6]), st.integers(-9, 0), st.sampled_from([0.0, 1e6]))
def test_pair_distances_equal_sums_of_differences(rng, classes: int, width: int, exponent: int, offset: float):
    vectors = offset + rng.standard_normal((classes, width))
    vectors[-1] = vectors[0] + 10.0**exponent * rng.standard_normal(width)  # one pair much nearer than the others
    expected = [fsum((a - b) ** 2) for a, b in combinations(vectors, 2)]
    # where the product is used, it loses at most the inverse of the share below which differences are taken
    np.testing.assert_allclose(pair_squares(vectors), expected, rtol=1e4 * 8 * width * np.finfo(float).eps, atol=0)


def test_a_crowd_of_equal_vectors_has_no_distances():
    vectors = 1e6 + np.array([[0.0, 1.0]] * 4 + [[3.0, 5.0]] * 2)
    expected = [float((a - b) @ (a - b)) for a, b in combinations(vectors, 2)]
    np.testing.assert_array_equal(pair_squares(vectors), expected)


def test_equal_vectors_have_distance_zero_exactly():
    vectors = np.random.default_rng(0).standard_normal((4, 7))
    vectors[3] = vectors[1]
    assert (pair_squares(vectors) == 0.0).tolist() == [False, False, False, False, True, False]
