"""Self-duality against its definition and the cosine."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import nc3, nc3_cosines, nc3_etf, subspace_residual
from metrics.oracle import simplex_gram

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
SIZES = st.tuples(st.sampled_from([2, 3, 10]), st.sampled_from([1, 4, 20]))


@given(SEEDS, SIZES, st.integers(-9, 9))
def test_equals_the_definition(rng: np.random.Generator, sizes: tuple[int, int], exponent: int):
    weight, means = 10.0**exponent * rng.standard_normal(sizes), rng.standard_normal(sizes)
    lengths = [math.sqrt(math.fsum(x * x for x in a.ravel())) for a in (weight, means)]
    entries = zip(weight.ravel(), means.ravel(), strict=True)
    expected = math.sqrt(math.fsum((w / lengths[0] - m / lengths[1]) ** 2 for w, m in entries))
    assert nc3(weight, means) == pytest.approx(expected, rel=1e-12)
    cosine = math.fsum((weight * means).ravel()) / (lengths[0] * lengths[1])
    assert nc3(weight, means) == pytest.approx(math.sqrt(2 - 2 * cosine), rel=1e-7)


@given(SEEDS, SIZES, st.floats(1e-6, 1e6))
def test_zero_when_dual_and_two_when_opposite(rng: np.random.Generator, sizes: tuple[int, int], scale: float):
    means = rng.standard_normal(sizes)
    rotation, _ = np.linalg.qr(rng.standard_normal((sizes[1], sizes[1])))
    assert nc3(scale * means, means) == pytest.approx(0.0, abs=1e-14)
    assert nc3(-scale * means, means) == pytest.approx(2.0, rel=1e-14)
    weight = rng.standard_normal(sizes)
    assert nc3(weight @ rotation, means @ rotation) == pytest.approx(nc3(weight, means), rel=1e-9)


@given(SEEDS, SIZES, st.integers(-9, 9))
def test_etf_form_and_cosines_equal_their_definitions(rng: np.random.Generator, sizes: tuple[int, int], exponent: int):
    weight, means = 10.0**exponent * rng.standard_normal(sizes), rng.standard_normal(sizes)
    logits = np.array([[math.fsum(w * m) for m in means] for w in weight])
    expected = np.linalg.norm(logits / np.linalg.norm(logits) - simplex_gram(sizes[0]))
    # cancellation in W M^T: its norm can be smaller than the product of the norms
    loss = 1e-15 * sizes[1] * np.linalg.norm(weight) * np.linalg.norm(means) / np.linalg.norm(logits)
    assert nc3_etf(weight, means) == pytest.approx(expected, rel=1e-12, abs=1e-15 + 4 * loss)
    cosines = [
        math.fsum(w * m) / math.sqrt(math.fsum(w * w) * math.fsum(m * m)) for w, m in zip(weight, means, strict=True)
    ]
    np.testing.assert_allclose(nc3_cosines(weight, means), cosines, rtol=0, atol=1e-14)


@given(SEEDS, st.sampled_from([2, 3, 8]), st.floats(1e-6, 1e6))
def test_etf_form_is_zero_for_a_dual_simplex_and_blind_outside_the_means(rng, classes: int, scale: float):
    frame, _ = np.linalg.qr(rng.standard_normal((classes + 4, classes + 4)))
    means = (np.eye(classes) - 1.0 / classes) @ frame[:classes]
    outside = rng.standard_normal((classes, 4)) @ frame[classes:]
    assert nc3_etf(scale * (means + outside), means) == pytest.approx(0.0, abs=1e-14 * classes)
    assert nc3_etf(-scale * means, means) == pytest.approx(2.0, rel=1e-13)


@given(SEEDS, SIZES)
def test_cosines_see_no_lengths(rng: np.random.Generator, sizes: tuple[int, int]):
    means, lengths = rng.standard_normal(sizes), rng.uniform(1e-9, 1e9, (sizes[0], 1))
    signs = rng.choice([-1.0, 1.0], (sizes[0], 1))
    found = nc3_cosines(lengths * signs * means, means)
    np.testing.assert_allclose(found, signs[:, 0], rtol=1e-14)
    assert (np.abs(found) <= 1.0).all()
    assert found.dtype == np.float64


@given(SEEDS, st.sampled_from([2, 3, 10]), st.sampled_from([1, 4, 20]), st.sampled_from([1, 7]))
def test_subspace_residual_equals_the_projector(rng: np.random.Generator, classes: int, width: int, rows: int):
    weight, means = rng.standard_normal((rows, width)), rng.standard_normal((classes, width))
    values = np.linalg.svd(means, compute_uv=False)
    assume(values.min() > 2e-3 * values.max())
    projector = np.linalg.pinv(means) @ means
    expected = np.linalg.norm(weight - weight @ projector) / np.linalg.norm(weight)
    # the pseudo-inverse rounds by the condition, here below 500
    assert subspace_residual(weight, means) == pytest.approx(expected, rel=1e-11, abs=1e-12)


@given(SEEDS, st.integers(-9, 9))
def test_subspace_residual_is_zero_inside_and_one_outside(rng: np.random.Generator, exponent: int):
    frame, _ = np.linalg.qr(rng.standard_normal((9, 9)))
    means = rng.standard_normal((6, 3)) @ frame[:3]  # rank 3
    inside, outside = rng.standard_normal((5, 3)) @ frame[:3], rng.standard_normal((5, 6)) @ frame[3:]
    assert subspace_residual(10.0**exponent * inside, means) == pytest.approx(0.0, abs=1e-13)
    assert subspace_residual(10.0**exponent * outside, means) == pytest.approx(1.0, rel=1e-13)
    mixed = 3.0 * inside / np.linalg.norm(inside) + 4.0 * outside / np.linalg.norm(outside)
    assert subspace_residual(mixed, 10.0**exponent * means) == pytest.approx(0.8, rel=1e-12)


def test_means_that_span_everything_leave_nothing():
    rng = np.random.default_rng(0)
    assert subspace_residual(rng.standard_normal((3, 4)), rng.standard_normal((9, 4))) == 0.0


def test_the_tolerance_decides_which_directions_the_means_span():
    means, weight = np.diag([1.0, 1e-4]), np.array([[0.0, 1.0]])
    assert subspace_residual(weight, means) == 1.0
    assert subspace_residual(weight, means, rtol=1e-6) == 0.0
    with pytest.raises(InvalidInputError, match=r"rtol: expected a share from 0 to below 1, but found 1"):
        subspace_residual(weight, means, rtol=1.0)


def test_undefined_cases_name_the_classes():
    weight = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    with pytest.raises(UndefinedError, match=r"weight: expected none to be zero, but found \[1\] of 3"):
        nc3_cosines(weight, np.ones((3, 2)))
    with pytest.raises(UndefinedError, match=r"means: expected none to be zero, but found \[1\] of 3"):
        nc3_cosines(np.ones((3, 2)), weight)
    with pytest.raises(UndefinedError, match=r"nc3_etf: expected W M\^T other than zero, but found zeros only"):
        nc3_etf(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 2.0]]))


@pytest.mark.parametrize("metric", [nc3, nc3_etf, nc3_cosines, subspace_residual])
def test_zeros_and_bad_input(metric):
    for weight, means in ((np.zeros((2, 1)), np.ones((2, 1))), (np.ones((2, 1)), np.zeros((2, 1)))):
        with pytest.raises(UndefinedError, match="expected weight and means other than zero, but found zeros only"):
            metric(weight, means)
    with pytest.raises(InvalidInputError, match=r"of one (shape|width), but found \(2, 3\) and \(3, 2\)"):
        metric(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InvalidInputError, match=r"weight: expected finite entries, but found 1 that are not"):
        metric(np.array([[np.nan], [1.0]]), np.ones((2, 1)))
    for wrong in (np.ones(3), np.ones((2, 2, 2))):
        with pytest.raises(InvalidInputError, match=r"means: expected a matrix of numbers"):
            metric(np.ones((2, 2)), wrong)


def test_one_class_has_no_simplex():
    with pytest.raises(InvalidInputError, match="nc3_etf: weight: expected a matrix of numbers with at least 2 rows"):
        nc3_etf(np.ones((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize("metric", [nc3, nc3_etf, subspace_residual])
def test_size_costs_no_digits(metric):
    rng = np.random.default_rng(5)
    weight, means = rng.standard_normal((2, 4, 6))
    assert metric(np.ldexp(weight, 900), np.ldexp(means, -900)) == metric(weight, means)
