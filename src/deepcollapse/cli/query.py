"""``deepcollapse query``: the rows of a store in SQL."""

import csv as table_writer
import io
import json as json_writer
from pathlib import Path

from rich.markup import escape

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import json_value, number, print_json, print_lines, print_table
from deepcollapse.cli.streams import write
from deepcollapse.errors import InvalidInputError

__all__ = ["query"]

_SHOWN = 200  # rows of a table for people


def query(*question: str, json: bool = False, csv: bool = False) -> None:
    """Ask the rows of a store in SQL: deepcollapse query STORE "SELECT kind, count(*) FROM runs GROUP BY kind".

    Args:
        question: the folder of the store, then the SQL; its table is runs, one row per seed, structure or network.
        json: write one JSON document to standard output: columns, and rows as objects.
        csv: write comma-separated values with a header; lists as JSON, nothing for null.
    """
    if len(question) != 2:
        raise InvalidInputError(f"query: expected STORE and SQL, but found {len(question)} arguments; quote the SQL")
    if json and csv:
        raise InvalidInputError("query: expected --json or --csv, but found both; choose one")
    answer = opened_store(Path(question[0])).query(question[1])
    columns = answer.column_names
    if json:
        print_json({"columns": columns, "rows": answer.to_pylist()})
    elif csv:
        text = io.StringIO()
        writer = table_writer.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row.values()] for row in answer.to_pylist())
        write(text.getvalue())
    else:
        rows = [[_shown(value) for value in row.values()] for row in answer.slice(0, _SHOWN).to_pylist()]
        print_table("", [escape(name) for name in columns], rows)
        if len(answer) > _SHOWN:
            print_lines(f"... and {len(answer) - _SHOWN} more rows; --csv or --json writes all")


def _cell(value: object) -> object:
    return json_writer.dumps(json_value(value)) if isinstance(value, list | dict) else value


def _shown(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(map(number, value))
    return escape(value) if isinstance(value, str) else value
