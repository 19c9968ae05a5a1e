"""Questions in SQL about a table, answered by a library that is an extra."""

from typing import Any

import pyarrow as pa

from deepcollapse.errors import InvalidInputError
from deepcollapse.optional import optional_module

__all__ = ["query"]


def query(table: pa.Table, sql: str) -> pa.Table:
    """The answer to a question about the table ``runs``, by DuckDB if it is installed, else by Polars.

    DuckDB sees this table only: no files, no network, no variables of the program. Of columns with the same name the
    second is called ``name_2``.

    Raises:
        InvalidInputError: SQL that is none, or names what is not there.
        MissingExtraError: neither library is installed.
    """
    library = optional_module("duckdb", "polars", extra="query")
    answer = {"duckdb": _by_duckdb, "polars": _by_polars}[library.__name__]
    return _apart(answer(library, table, sql))


def _by_duckdb(duckdb: Any, table: pa.Table, sql: str) -> pa.Table:
    settings = {"enable_external_access": "false", "python_enable_replacements": "false"}
    try:
        with duckdb.connect(config=settings) as connection:
            connection.register("runs", table)
            answer = connection.sql(sql)
            return pa.table({}) if answer is None else answer.to_arrow_table()
    except duckdb.Error as error:
        raise _refusal(error) from None


def _by_polars(polars: Any, table: pa.Table, sql: str) -> pa.Table:
    try:
        return polars.SQLContext(runs=polars.from_arrow(table)).execute(sql, eager=True).to_arrow()
    except polars.exceptions.PolarsError as error:
        raise _refusal(error) from None


def _apart(table: pa.Table) -> pa.Table:
    """With the second and later columns of a name renamed, so that rows can be dictionaries."""
    names: list[str] = []
    for name in table.column_names:
        count, other = 1, name
        while other in names:
            count += 1
            other = f"{name}_{count}"
        names.append(other)
    return table.rename_columns(names)


def _refusal(error: Exception) -> InvalidInputError:
    reason = " ".join(str(error).split())
    return InvalidInputError(f"sql: expected a question about the table runs, but found: {reason}; correct it")
