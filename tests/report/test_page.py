import csv
import io

import pytest

from deepcollapse.report import Table


def test_csv_is_the_table():
    table = Table({"name": ['a,"b"', "line\nbreak"], "loss": [0.1 + 0.2, None], "applies": [True, False]})
    rows = list(csv.reader(io.StringIO(table.csv, newline="")))
    assert rows == [
        ["name", "loss", "applies"],
        ['a,"b"', repr(0.1 + 0.2), "True"],
        ["line\nbreak", "", "False"],
    ]
    assert table.numeric == [False, True, False]


def test_a_column_without_values_is_not_numeric():
    assert Table({"a": [None, None], "b": [], "c": [None, 2]}).numeric == [False, False, True]


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        _ = Table({"a": [1, 2], "b": [1]}).rows
