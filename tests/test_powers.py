"""One reader of numbers: what it takes is what Python computes, and what it refuses is named."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.powers import number, quoted_powers, with_powers

ABSURD = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 5000,
    "0" * 4999 + "1",
    "2^99999999",
    "1e999^2",
    "-8^0.5",
    "0^-1",
    "1_000",
]
ABSURD += ["１２", "٣", "²", "2^", "^2", "2^^3", "2**3", "0x10", "1,5", "", " ", "--1", "1e", ".", "1 2", "1\x00"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_number_is_what_python_reads(value):
    assert number(repr(value), name="x") == value


@given(st.integers(-(10**300), 10**300))
def test_a_whole_number_is_exact(value):
    found = number(str(value), name="x")
    assert (type(found), found) == (int, value)


@given(base=st.integers(-20, 20), exponent=st.integers(0, 60))
def test_a_power_of_whole_numbers_is_exact(base, exponent):
    assert number(f"{base}^{exponent}", name="x") == base**exponent


@given(base=st.floats(0.1, 10), exponent=st.floats(-20, 20))
def test_a_power_is_that_of_python(base, exponent):
    assert number(f" {base!r} ^ {exponent!r} ", name="x") == base**exponent


@pytest.mark.parametrize("text", ABSURD, ids=lambda text: text[:12])
def test_what_is_no_finite_number_is_refused_by_name(text):
    with pytest.raises(
        InvalidInputError, match=r"^lr: expected a (number such as|finite real number).*; (correct|write)"
    ):
        number(text, name="lr")


@given(st.text())
def test_any_text_is_a_finite_number_or_refused(text):
    with suppress(InvalidInputError):
        assert abs(number(text, name="x")) < float("inf")


def test_powers_in_a_document_are_numbers_and_the_wrong_one_is_named():
    document = {"name": "2^3", "head": {"width": "2^6", "noise": ["2^-1", 3, "x^2"]}}
    assert with_powers(document, texts=("name",)) == {"name": "2^3", "head": {"width": 64, "noise": [0.5, 3, "x^2"]}}
    with pytest.raises(InvalidInputError, match=r"^head.width: expected a finite real number, but found '10\^999'"):
        with_powers({"head": {"width": "10^999"}})


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("2^-10", '"2^-10"'),
        ("[2^-3,1]", '["2^-3",1]'),
        ('"2^4"', '"2^4"'),
        ("a2^4", "a2^4"),
        ("{a=1e-3^2}", '{a="1e-3^2"}'),
    ],
)
def test_powers_are_put_between_quotes_once(text, quoted):
    assert quoted_powers(text) == quoted
