"""Questions in SQL about a table."""

from typing import Any

import pyarrow as pa

from deepcollapse.errors import InvalidInputError

__all__ = ["query"]

_SETTINGS: dict[str, Any] = {"enable_external_access": "false", "python_enable_replacements": "false"}
_KEPT = ("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger")
_KEPT += ("ubigint", "float", "double", "decimal", "varchar")


def query(table: pa.Table, sql: str) -> pa.Table:
    """The answer of DuckDB to a question about the table ``runs``.

    It sees this table only: no files, no network, no variables of the program. Numbers, booleans and text, and lists,
    structs and maps of them, keep their types; everything else (dates, times, intervals, bytes, UUIDs, ...) becomes the
    text that DuckDB writes for it. Of columns with the same name the second is called ``name_2``.

    Raises:
        InvalidInputError: SQL that is none, or names what is not there.
    """
    import duckdb

    try:
        with duckdb.connect(config=_SETTINGS) as connection:
            connection.register("runs", table)
            answer = connection.sql(sql)
            return pa.table({}) if answer is None else _apart(_plain(answer).to_arrow_table(), answer.columns)
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"sql: expected a question about the table runs, but found: {reason}; correct it"
        ) from None


def _plain(answer: Any) -> Any:
    columns = (f"CAST(#{number} AS {_type(kind)}) AS c{number}" for number, kind in enumerate(answer.types, start=1))
    return answer.project(", ".join(columns))


def _type(kind: Any) -> str:
    """The type in SQL that keeps what Arrow and JSON can hold, and makes text of the rest."""
    parts = dict(kind.children) if kind.id in ("list", "array", "struct", "map") else {}
    if kind.id in ("list", "array"):
        return f"{_type(parts['child'])}[]"
    if kind.id == "map":
        return f"MAP({_type(parts['key'])}, {_type(parts['value'])})"
    if kind.id == "struct" and all(parts):
        quoted = (f"{_quoted(name)} {_type(part)}" for name, part in parts.items())
        return f"STRUCT({', '.join(quoted)})"
    return str(kind) if kind.id in _KEPT and str(kind) != "JSON" else "VARCHAR"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _apart(table: pa.Table, wanted: list[str]) -> pa.Table:
    """With its names, of which the second and later ones are changed, so that rows can be dictionaries."""
    names: list[str] = []
    for name in wanted:
        count, other = 1, name
        while other in names:
            count += 1
            other = f"{name}_{count}"
        names.append(other)
    return table.rename_columns(names)
