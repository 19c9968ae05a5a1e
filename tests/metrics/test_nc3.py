"""Self-duality against its definition and the cosine."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import nc3

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


def test_bad_input():
    with pytest.raises(
        InvalidInputError, match=r"nc3: expected weight and means of one shape .* \(2, 3\) and \(3, 2\)"
    ):
        nc3(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InvalidInputError, match="remove NaN and infinities"):
        nc3(np.array([[np.nan], [1.0]]), np.ones((2, 1)))
    for weight, means in ((np.zeros((2, 1)), np.ones((2, 1))), (np.ones((2, 1)), np.zeros((2, 1)))):
        with pytest.raises(UndefinedError, match="nc3: expected weight and means other than zero"):
            nc3(weight, means)
