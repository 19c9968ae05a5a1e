"""Rows over a grid: every cell holds its row's value, and rows that share a cell are refused."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, MissingExtraError, TooLargeError
from deepcollapse.store import to_xarray

xarray = pytest.importorskip("xarray")

CELLS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from(["ce", "mse"]), st.sampled_from([0.5, 0.25, 2.0**-10])),
    st.none() | st.integers(-5, 5),
    max_size=12,
)


@settings(max_examples=15)
@given(CELLS)
def test_it_is_the_loop_over_the_rows(cells):
    table = pa.table(
        {
            "width": pa.array([key[0] for key in cells], pa.int64()),
            "loss": pa.array([key[1] for key in cells], pa.string()),
            "decay": pa.array([key[2] for key in cells], pa.float64()),
            "value": pa.array(list(cells.values()), pa.int64()),
            "word": pa.array([None if v is None else str(v) for v in cells.values()], pa.string()),
        }
    )
    found = to_xarray(table, ["width", "loss", "decay"], ["value", "word"])
    assert dict(found.sizes) == {
        name: len({key[k] for key in cells}) for k, name in enumerate(("width", "loss", "decay"))
    }
    for name in ("width", "loss", "decay"):
        assert found[name].values.tolist() == sorted(set(table[name].to_pylist()))
    axes = [found[name].values.tolist() for name in ("width", "loss", "decay")]
    for index in np.ndindex(found["value"].shape):
        expected = cells.get(tuple(axis[k] for axis, k in zip(axes, index, strict=True)))
        value, word = found["value"].values[index], found["word"].values[index]
        missing = bool(found["value"].isnull().values[index]), bool(found["word"].isnull().values[index])
        assert missing == (expected is None,) * 2
        assert expected is None or (value, word) == (expected, str(expected))


def test_a_full_grid_keeps_its_types():
    table = pa.table({"seed": [1, 0], "steps": [10, 20], "flag": [True, False], "loss": [0.5, float("nan")]})
    found = to_xarray(table, ["seed"], ["steps", "flag", "loss"])
    assert isinstance(found, xarray.Dataset)
    assert (found["steps"].dtype, found["flag"].dtype) == (np.int64, np.bool_)
    assert found["steps"].values.tolist() == [20, 10]
    assert found["loss"].dims == ("seed",)


def test_rows_that_share_a_cell_are_named():
    table = pa.table({"width": [1, 1, 2, 3, 3], "loss": ["ce", "ce", "ce", "mse", "mse"], "value": range(5)})
    message = r"dims: expected one row for each value of width, loss, but found several for "
    message += r"\(width = 1, loss = 'ce'; width = 3, loss = 'mse'\); add a column that tells them apart, such as seed"
    with pytest.raises(InvalidInputError, match=message):
        to_xarray(table, ["width", "loss"], ["value"])
    many = pa.table({"width": [*range(5), *range(5)], "value": range(10)})
    with pytest.raises(InvalidInputError, match=r"width = 2\) and 2 more; add"):
        to_xarray(many, ["width"], ["value"])


@pytest.mark.parametrize(
    ("dims", "values", "message"),
    [
        (["depth"], ["value"], "columns: expected one of width, value, list, but found 'depth'; name one of them"),
        (["width"], ["values"], "columns: expected one of .*, but found 'values'"),
        (
            ["width"],
            ["list"],
            r"list: expected numbers, booleans or strings, but found list<\w+: int64>; take its entries",
        ),
        (["value"], ["width"], "value: expected a value in every row, but found rows without; leave them out"),
    ],
)
def test_columns_that_do_not_fit(dims, values, message):
    table = pa.table({"width": [1, 2], "value": [1, None], "list": [[1], []]})
    with pytest.raises(InvalidInputError, match=message):
        to_xarray(table, dims, values)


def test_nan_is_no_place_on_an_axis():
    with pytest.raises(InvalidInputError, match="decay: expected a value in every row"):
        to_xarray(pa.table({"decay": [0.5, float("nan")], "value": [1, 2]}), ["decay"], ["value"])


def test_grids_have_a_limit():
    table = pa.table({name: range(1000) for name in "abcd"})
    with pytest.raises(TooLargeError, match=r"dims: expected at most 100000000 cells, but found \(1000, 1000, 1000\)"):
        to_xarray(table, ["a", "b", "c"], ["d"])


def test_without_xarray(monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    message = r"xarray: expected xarray to be installed, but found none; run: python -m pip install .*\[xarray\]"
    with pytest.raises(MissingExtraError, match=message):
        to_xarray(pa.table({"a": [1]}), ["a"], [])
