import pytest

from deepcollapse.report.words import cell, counted, number, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-3, "−3"),
        (1234567, "1,234,567"),
        (5.0, "5"),
        (0.0244134291, "0.024413"),
        (-0.5, "−0.5"),
        (1234567.89, "1,234,568"),
        (1e20, "1e+20"),
        ((0.1, 3), "0.1 to 3"),
        (None, "–"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (False, "no"), ("T5", "T5"), (9, "9"), (0.08346, "0.083460"), (1e-7, "1e-07"), (None, "–")],
)
def test_cell(value, text):
    assert cell(value) == text


def test_percent_of_large_shares():
    assert percent(24.4) == "2,440 %"


def test_one_is_singular():
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
