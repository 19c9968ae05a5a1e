"""Rows as arrays over a grid, for those who think in axes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.optional import optional_module

__all__ = ["to_xarray"]

_CELLS_MAX = 10**8
_SHOWN = 3


def to_xarray(table: pa.Table, dims: Sequence[str], values: Sequence[str]) -> Any:
    """Columns of a table as arrays over other columns: an ``xarray.Dataset``.

    A coordinate holds the values that its column has, sorted. Where the grid has a cell and the table no row, or a
    null, the value is missing (``isnull``): NaN of numbers, which are float64 then, NaN or None of the rest.

    Args:
        table: from ``Store.table`` or ``Store.query``.
        dims: columns that together tell the rows apart.
        values: columns of numbers, booleans or strings.

    Raises:
        InvalidInputError: columns that are not there or of another type, nulls in a dimension, or rows that the
            dimensions do not tell apart.
        MissingExtraError: xarray is not installed.
        TooLargeError: more than 10^8 cells.
    """
    xarray = optional_module("xarray", extra="xarray")
    for name in (*dims, *values):
        _expect_column(table, name)
    axes = {name: _axis(table, name) for name in dims}
    shape = tuple(len(coordinate) for coordinate, _ in axes.values())
    if math.prod(shape) > _CELLS_MAX:
        raise TooLargeError(f"dims: expected at most {_CELLS_MAX} cells, but found {shape}; choose fewer dims or rows")
    cells = np.zeros(len(table), dtype=np.int64)
    for size, (_, index) in zip(shape, axes.values(), strict=True):
        cells = cells * size + index
    _expect_apart(table, dims, cells)
    data = {name: (tuple(dims), _filled(table[name], cells, shape)) for name in values}
    return xarray.Dataset(data, coords={name: coordinate for name, (coordinate, _) in axes.items()})


def _expect_column(table: pa.Table, name: str) -> None:
    if table.column_names.count(name) != 1:
        names = ", ".join(table.column_names)
        raise InvalidInputError(f"columns: expected one of {names}, but found {name!r}; name one of them")
    kind, is_a = table[name].type, pa.types
    if not (is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_boolean(kind) or _is_text(kind)):
        raise InvalidInputError(
            f"{name}: expected numbers, booleans or strings, but found {kind}; take its entries apart in a query"
        )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _axis(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The sorted values of a column, and of each row which it has."""
    column = table[name]
    array = column.to_numpy()
    if column.null_count or (array.dtype.kind == "f" and np.isnan(array).any()):
        raise InvalidInputError(
            f"{name}: expected a value in every row, but found rows without; leave them out, or take another dimension"
        )
    coordinate, index = np.unique(array, return_inverse=True)
    return (coordinate.astype(str) if _is_text(column.type) else coordinate), index


def _expect_apart(table: pa.Table, dims: Sequence[str], cells: np.ndarray) -> None:
    _, first, counts = np.unique(cells, return_index=True, return_counts=True)
    if not (doubled := first[counts > 1]).size:
        return
    rows = table.select(list(dims)).take(doubled[:_SHOWN]).to_pylist()
    shown = "; ".join(", ".join(f"{name} = {value!r}" for name, value in row.items()) for row in rows)
    more = f" and {doubled.size - _SHOWN} more" if doubled.size > _SHOWN else ""
    raise InvalidInputError(
        f"dims: expected one row for each value of {', '.join(dims)}, but found several for ({shown}){more}; add a "
        "column that tells them apart, such as seed, or average over them in a query first"
    )


def _filled(column: pa.ChunkedArray, cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The values in their cells of the grid."""
    count = math.prod(shape)
    if len(cells) == count and not column.null_count:
        found = np.empty(count, dtype=column.to_numpy().dtype)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        found, column = np.full(count, np.nan), column.cast(pa.float64(), safe=False)
    else:
        found = np.full(count, None, dtype=object)
    found[cells] = column.to_numpy()
    return found.reshape(shape)
