"""``deepcollapse compact``: the rows of all runs of a store in one Parquet table."""

from pathlib import Path

from deepcollapse.cli.opened_store import opened_store
from deepcollapse.cli.output import print_json, print_lines, progress_bar

__all__ = ["compact"]


def compact(*store: Path, json: bool = False) -> None:
    """Gather the rows of all runs of a store in one Parquet table; only new runs are read.

    Args:
        store: its folder; the table is table.parquet in it.
        json: write one JSON document to standard output.
    """
    opened = opened_store(*store)
    with progress_bar("reading runs") as progress:
        new = opened.compact(progress)
    runs, path = len(opened.done()), opened.path / "table.parquet"
    if json:
        print_json({"new": new, "runs": runs, "path": str(path)})
    else:
        print_lines(f"{new} new of {runs} finished runs: {path}")
