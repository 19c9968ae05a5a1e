import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, norm

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import rate


@given(total=st.integers(1, 500), data=st.data(), confidence=st.floats(0.5, 0.999))
def test_wilson_inverts_the_score_test(total, data, confidence):
    count = data.draw(st.integers(0, total))
    found = rate(count, total, confidence=confidence)
    z, p = norm.ppf(0.5 + confidence / 2), count / total
    middle = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    assert found.value == p
    assert found.interval == pytest.approx((middle - half, middle + half), abs=1e-9)


@given(total=st.integers(1, 200), data=st.data())
def test_exact_inverts_the_binomial_test(total, data):
    count = data.draw(st.integers(0, total))
    low = 0.0 if count == 0 else beta.ppf(0.025, count, total - count + 1)
    high = 1.0 if count == total else beta.ppf(0.975, count + 1, total - count)
    assert rate(count, total, method="exact").interval == pytest.approx((low, high), abs=1e-8)


def test_nothing_is_known_from_no_runs():
    found = rate(0, 0)
    assert (found.value, found.interval) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 3, "total": 2}, r"count: expected 0..2, but found 3; count among the total only"),
        ({"count": -1, "total": 2}, r"count: expected 0..2, but found -1"),
        ({"count": 1, "total": 2, "method": "normal"}, 'interval: expected "wilson" or "exact", but found \'normal\''),
        ({"count": 1, "total": 2, "confidence": 1.0}, "confidence: expected a number between 0 and 1, but found 1.0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        rate(**arguments)
