"""Ranks and Schatten quasi-norms against sums over eigenvalues."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import schatten, spectrum

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
SHAPES = st.tuples(st.sampled_from([1, 2, 3, 10]), st.sampled_from([1, 4, 15]))


@given(SEEDS, SHAPES, st.sampled_from([-300, -9, 0, 9, 300]))
def test_equals_the_definitions(rng: np.random.Generator, shape: tuple[int, int], exponent: int):
    matrix = rng.standard_normal(shape)
    gram = matrix @ matrix.T if shape[0] <= shape[1] else matrix.T @ matrix
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    found = spectrum(10.0**exponent * matrix)
    # the Gram matrix knows squares to eps times the largest, so small values to their root
    np.testing.assert_allclose(found.singular_values / 10.0**exponent, values, rtol=1e-10, atol=1e-7 * values[0])
    assert found.stable_rank == pytest.approx(np.trace(gram) / values[0] ** 2, rel=1e-12)
    shares = [value / math.fsum(values) for value in values if value > 0]
    assert found.effective_rank == pytest.approx(math.exp(-math.fsum(s * math.log(s) for s in shares)), rel=1e-5)
    # sum (s / s_1)^2 <= sum s / s_1 = 1 / max p <= exp(entropy)
    ordered = [1.0, found.stable_rank, found.effective_rank, float(min(shape))]
    assert all(a <= b * (1 + 1e-12) for a, b in pairwise(ordered))


@given(SEEDS, SHAPES)
def test_invariant_under_rotations_and_scaling(rng: np.random.Generator, shape: tuple[int, int]):
    matrix = rng.standard_normal(shape)
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in shape)
    one, other = spectrum(matrix), spectrum(1e3 * left @ matrix @ right)
    assert one.rank == other.rank
    assert other.stable_rank == pytest.approx(one.stable_rank, rel=1e-11)
    assert other.effective_rank == pytest.approx(one.effective_rank, rel=1e-11)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_equal_singular_values_are_counted_by_all_three(rank: int):
    rng = np.random.default_rng(rank)
    left, right = (np.linalg.qr(rng.standard_normal((n, rank)))[0] for n in (8, 11))
    found = spectrum(left @ right.T)
    assert found.rank == rank
    assert found.stable_rank == pytest.approx(rank, rel=1e-12)
    assert found.effective_rank == pytest.approx(rank, rel=1e-11)


def test_the_larger_tolerance_decides():
    matrix = np.diag([10.0, 1.0, 0.1, 1e-5])
    ranks = {
        (r, a): spectrum(matrix, rtol=r, atol=a).rank for r, a in ((1e-3, 0), (0, 0), (0.05, 0), (1e-3, 2), (0, 99))
    }
    assert ranks == {(1e-3, 0): 3, (0, 0): 4, (0.05, 0): 2, (1e-3, 2): 1, (0, 99): 0}
    assert spectrum(matrix, rtol=0.05, atol=0.2).tolerance == 0.5
    assert spectrum(matrix, rtol=1e-3, atol=0.2).tolerance == 0.2


def test_float32_agrees():
    matrix = np.random.default_rng(0).standard_normal((6, 4))
    narrow, wide = spectrum(matrix.astype(np.float32)), spectrum(matrix)
    np.testing.assert_allclose(narrow.singular_values, wide.singular_values, rtol=0, atol=1e-6)
    assert narrow.singular_values.dtype == np.float64


def test_no_rank_of_zero_and_bad_input():
    with pytest.raises(
        UndefinedError, match=r"matrix: expected an entry that is not zero, .* zero matrix of shape \(2, 3\)"
    ):
        spectrum(np.zeros((2, 3)))
    for wrong in (np.ones(3), np.ones((2, 2, 2)), np.ones((0, 2))):
        with pytest.raises(InvalidInputError, match="matrix: expected a matrix of numbers with at least 1 rows"):
            spectrum(wrong)
    for tolerances in ({"rtol": -1.0}, {"atol": -1.0}, {"rtol": math.nan}):
        with pytest.raises(InvalidInputError, match="rtol and atol: expected tolerances from 0 on, but found"):
            spectrum(np.eye(2), **tolerances)


@given(SEEDS, st.sampled_from([0.1, 2 / 7, 0.5, 1.0, 2.0, 3.0, 100.0]), st.sampled_from([-250, 0, 250]))
def test_schatten_equals_the_sum_of_powers(rng: np.random.Generator, p: float, exponent: int):
    values = rng.uniform(0.1, 10.0, 7)
    expected = math.fsum(value**p for value in values) ** (1 / p)
    # a sum of powers is rounded by a few eps, its root by 1 / p of that
    assert schatten(10.0**exponent * values, p=p) / 10.0**exponent == pytest.approx(expected, rel=1e-14 * (1 + 1 / p))
    assert schatten(values[rng.permutation(7)], p=p) == pytest.approx(schatten(values, p=p), rel=1e-13)


@given(SEEDS, st.sampled_from([0.5, 2 / 3, 1.0, 2.0]))
def test_schatten_is_the_penalty_of_balanced_factors(rng: np.random.Generator, p: float):
    matrix = rng.standard_normal((4, 5))
    values = spectrum(matrix).singular_values
    if p == 2.0:
        assert schatten(values, p=p) == pytest.approx(np.linalg.norm(matrix), rel=1e-13)
    if p == 1.0:
        assert schatten(values, p=p) == pytest.approx(np.linalg.norm(matrix, "nuc"), rel=1e-13)
    other = spectrum(matrix + np.eye(4, 5)).singular_values
    least = schatten(other, p=p)
    most = 2 ** max(0.0, 1 / p - 1) * (schatten(values, p=p) + schatten(np.ones(4), p=p))
    assert least <= most * (1 + 1e-12)


def test_schatten_limits_and_noise():
    values = np.array([3.0, 1.0, 0.0])
    assert schatten(values, p=math.inf) == 3.0
    assert schatten(np.zeros(2), p=0.5) == 0.0
    noisy = np.array([1.0, 1e-16])
    assert schatten(noisy, p=0.1) == pytest.approx((1 + 1e-1**1.6) ** 10, rel=1e-12)
    assert schatten(noisy, p=0.1, atol=1e-10) == 1.0
    assert schatten(np.full(2, 1e-300), p=1e-3) == pytest.approx(2**1000 * 1e-300, rel=1e-9)
    assert schatten(np.full(2, 1e-300), p=1 / 1500) == pytest.approx(float(Fraction(2) ** 1500 / 10**300), rel=1e-9)


def test_schatten_bad_input():
    for options in ({"p": 0.0}, {"p": -1.0}, {"p": math.nan}, {"p": 1.0, "atol": -1.0}):
        with pytest.raises(InvalidInputError, match="p and atol: expected p > 0 and atol >= 0, but found"):
            schatten(np.ones(2), **options)
    for wrong in (np.array([1.0, -1.0]), np.array([np.nan, 2.0]), np.array([np.inf])):
        with pytest.raises(
            InvalidInputError, match="singular_values: expected finite numbers from 0 on, but found 1 oth"
        ):
            schatten(wrong, p=1.0)
    for wrong in (np.ones((2, 2)), np.array([1j]), np.array(["1"])):
        with pytest.raises(
            InvalidInputError, match=r"singular_values: expected a vector of numbers, but found .* of shape"
        ):
            schatten(wrong, p=1.0)
    with pytest.raises(
        InvalidInputError, match=r"p: expected a value within float64, but found exp\(1386.29\) at p = 0.0005"
    ):
        schatten(np.ones(2), p=0.0005)
