import numpy as np
import pytest

from deepcollapse.report.site.columns import encoded, significant
from report.site.browserless import evaluated


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [1, 1.0, True, 1, 1.0, True, 0, False, 0, False],
        ["a", "b", "a", None, "b", "a"],
        [0.1, 0.2, 0.3],
        [[0, 1], [0], [0, 1], [0], [0, 1]],
    ],
)
def test_what_is_shipped_is_read_back(values: list):
    found = evaluated(["columns"], "site.columns.decoded(given)", encoded(values))
    assert [(type(cell), cell) for cell in found if not isinstance(cell, float)] == [
        (type(cell), cell) if cell != 1.0 or isinstance(cell, bool) else (int, 1)
        for cell in values
        if not isinstance(cell, float) or cell == 1.0
    ]
    assert found == values


def test_numbers_without_a_value_are_null():
    assert encoded([[float("nan"), (float("inf"), 1.5)], 2.5, None]) == {"values": [[None, [None, 1.5]], 2.5, None]}
    assert encoded([float("nan"), float("nan")]) == {"all": None, "count": 2}


def test_significant_digits():
    values = np.array([123456.0, -0.00123456, 0.0, np.inf, 9.9996])
    np.testing.assert_allclose(significant(values, 4), [123500.0, -0.001235, 0.0, np.inf, 10.0])
