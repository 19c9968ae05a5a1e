"""Unevenness of directions against loops over pairs."""

import inspect
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import generalised_nc2
from deepcollapse.metrics.class_vectors import direction_squares

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
SIZES = st.tuples(st.sampled_from([3, 4, 11]), st.sampled_from([2, 3, 9]))
KERNELS = st.sampled_from(["log", "distance"])


def definition(vectors: np.ndarray, kernel: str) -> float:
    units = [v / math.sqrt(math.fsum(v * v)) for v in vectors]
    distances = [math.sqrt(math.fsum((u - v) ** 2)) for u, v in combinations(units, 2)]
    values = distances if kernel == "distance" else [math.log(1.0 / d) for d in distances]
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (len(values) - 1)) / abs(mean)


@given(SEEDS, SIZES, KERNELS, st.sampled_from([-200, -9, 0, 9, 200]))
def test_equals_the_definition(rng: np.random.Generator, sizes: tuple[int, int], kernel: str, exponent: int):
    vectors = rng.standard_normal(sizes)
    expected = definition(vectors, kernel)
    # a mean near zero, as logarithms can have, magnifies rounding as it magnifies the value
    assert generalised_nc2(10.0**exponent * vectors, kernel=kernel) == pytest.approx(
        expected, rel=1e-10 * (1 + expected), abs=1e-12
    )


@given(SEEDS, KERNELS)
def test_invariant_under_rotation_and_scaling_of_single_vectors(rng: np.random.Generator, kernel: str):
    vectors = rng.standard_normal((6, 4))
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    moved = rng.uniform(1e-3, 1e3, (6, 1)) * vectors[rng.permutation(6)] @ rotation
    expected = generalised_nc2(vectors, kernel=kernel)
    assert generalised_nc2(moved, kernel=kernel) == pytest.approx(expected, rel=1e-10 * (1 + expected))


@pytest.mark.parametrize("kernel", ["log", "distance"])
@pytest.mark.parametrize("classes", [3, 4, 10, 100])
def test_zero_on_a_simplex_and_an_orthogonal_frame(classes: int, kernel: str):
    for frame in (np.eye(classes), np.eye(classes) - 1.0 / classes):
        # squares are rounded by a few eps, logarithms are log(2) / 2 at least
        assert generalised_nc2(frame, kernel=kernel) == pytest.approx(0.0, abs=1e-14)


def test_a_square_is_less_even_than_a_simplex_by_hand():
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    distances = [math.sqrt(2)] * 4 + [2.0] * 2
    assert generalised_nc2(square, kernel="distance") == pytest.approx(
        np.std(distances, ddof=1) / np.mean(distances), rel=1e-14
    )


@given(SEEDS, KERNELS)
def test_given_squares_change_nothing(rng: np.random.Generator, kernel: str):
    vectors = rng.standard_normal((5, 3))
    found = generalised_nc2(vectors, kernel=kernel, squares=direction_squares(vectors))
    assert found == generalised_nc2(vectors, kernel=kernel)


def test_near_directions_keep_their_digits():
    vectors = np.array([[1.0, 0.0], [1.0, 1e-9], [-1.0, 0.0]])
    assert generalised_nc2(vectors) == pytest.approx(definition(vectors, "log"), rel=1e-9)


@pytest.mark.parametrize(
    ("vectors", "kernel", "message"),
    [
        (np.array([[1.0], [0.0], [-1.0]]), "log", r"vectors: expected none to be zero, but found \[1\] of 3"),
        (np.array([[1.0], [2.0], [-1.0]]), "log", "expected directions that differ, but found 1 pairs that coincide"),
        (np.eye(2), "distance", "expected at least 3, but found 2; one pair does not vary"),
        (np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), "log", "expected a mean kernel that is not"),
        (np.ones((3, 1)), "distance", "expected a mean kernel that is not zero, but found 0"),
    ],
)
def test_undefined(vectors: np.ndarray, kernel: str, message: str):
    with pytest.raises(UndefinedError, match=message):
        generalised_nc2(vectors, kernel=kernel)


def test_bad_input():
    with pytest.raises(InvalidInputError, match='kernel: expected "log" or "distance", but found \'cosine\''):
        inspect.unwrap(generalised_nc2)(np.eye(3), kernel="cosine")  # the tests' type checker would refuse it first
    for wrong in (np.ones(3), np.ones((2, 2, 2))):
        with pytest.raises(InvalidInputError, match="vectors: expected a matrix of numbers"):
            generalised_nc2(wrong)
