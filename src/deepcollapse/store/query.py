"""Rows in SQL, and as labelled arrays; each needs a library that is an extra."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from deepcollapse.errors import InvalidInputError, MissingExtraError

__all__ = ["query", "to_xarray"]


def query(table: pa.Table, sql: str) -> pa.Table:
    """The answer to a question in SQL about the table ``runs``."""
    try:
        duckdb: Any = import_module("duckdb")
    except ImportError as error:
        raise MissingExtraError(
            "query: expected duckdb or polars to be installed, but found none; run: pip install deepcollapse[query]"
        ) from error
    try:
        with duckdb.connect() as connection:
            connection.register("runs", table)
            answer = connection.sql(sql)
            return pa.table({}) if answer is None else answer.to_arrow_table()
    except duckdb.Error as error:
        raise InvalidInputError(
            f"sql: expected a question about the table runs, but found: {error}; correct it"
        ) from None


def to_xarray(table: pa.Table, dims: Sequence[str], values: Sequence[str]) -> Any:
    """Columns over a grid of other columns."""
    try:
        xarray: Any = import_module("xarray")
    except ImportError as error:
        raise MissingExtraError(
            "xarray: expected xarray to be installed, but found none; run: pip install deepcollapse[xarray]"
        ) from error
    raise NotImplementedError(xarray, np)
