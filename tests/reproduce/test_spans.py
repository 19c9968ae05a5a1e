"""Values as a finding writes them."""

import pytest

from deepcollapse.reproduce.claims.spans import short, span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0**-2, "2^-2"),
        (0.5, "0.5"),
        (1.0, "1"),
        (2.0, "2"),
        (0.0, "0"),
        (3e-3, "0.003"),
        (10_000, "10,000"),
        ("mlp", "mlp"),
    ],
)
def test_a_value(value, text):
    assert short(value) == text


def test_many_values_are_a_span():
    assert span([]) == ""
    assert span([2.0**-10, 2.0**-10]) == "2^-10"
    assert span([1.5, 1.0, 2.0]) == "1, 1.5 or 2"
    assert span([2.0**-k for k in range(6, 11)]) == "2^-10 to 2^-6"
