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


@given(runs=st.integers(1, 300), data=st.data(), method=st.sampled_from(["wilson", "exact"]))
def test_undecided_runs_widen_the_interval_to_whatever_they_do(runs, data, method):
    count = data.draw(st.integers(0, runs - 1))
    undecided = data.draw(st.integers(1, runs - count))
    found = rate(count, runs, undecided=undecided, method=method)
    assert found.value is None
    assert found.interval == (
        rate(count, runs, method=method).interval[0],
        rate(count + undecided, runs, method=method).interval[1],
    )
    fewer = rate(count, runs, undecided=undecided - 1, method=method).interval
    assert found.interval[0] == fewer[0]
    assert found.interval[1] >= fewer[1]
    for collapsed in range(undecided + 1):  # whatever they turn out to be
        low, high = rate(count + collapsed, runs, method=method).interval
        assert found.interval[0] <= low + 1e-12
        assert high <= found.interval[1] + 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 3, "runs": 2}, r"count: expected counts of at most 2 runs, but found 3 and 0 undecided; count each"),
        ({"count": -1, "runs": 2}, r"count: expected counts of at most 2 runs, but found -1 and 0"),
        ({"count": 1, "runs": 2, "undecided": 2}, r"count: expected counts of at most 2 runs, but found 1 and 2"),
        ({"count": 1, "runs": 2, "undecided": -1}, r"count: expected counts of at most 2 runs, but found 1 and -1"),
        ({"count": 1, "runs": 2, "method": "normal"}, 'interval: expected "wilson" or "exact", but found \'normal\''),
        ({"count": 1, "runs": 2, "confidence": 1.0}, "confidence: expected a number between 0 and 1, but found 1.0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        rate(**arguments)
