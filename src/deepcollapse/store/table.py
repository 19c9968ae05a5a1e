"""The rows of all runs as one table: the part that is compacted, and what came since."""

import json
import os
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import replace
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import RUNS, STAGING, TABLE, done_ids
from deepcollapse.store.runs import read_rows

__all__ = ["compact", "table"]

_RUNS_KEY = b"deepcollapse.runs"
_EMPTY = pa.table({"run": pa.array([], pa.string())})


def table(root: Path, ids: Collection[str] | None = None) -> pa.Table:
    """Rows of these runs, or of all, by id and then as the run wrote them."""
    wanted = done_ids(root) if ids is None else set(ids)
    old, held = _compacted(root)
    parts = [old.filter(pc.field("run").isin(sorted(wanted)))] if held & wanted else []
    return _union([*parts, *_read(root, sorted(wanted - held), None)]).sort_by("run")


def compact(root: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Gather all rows in one file; how many runs were new to it."""
    done = done_ids(root)
    old, held = _compacted(root)
    new = sorted(done - held)
    if not new and held <= done and (root / TABLE).exists():
        return 0
    parts = [old.filter(pc.field("run").isin(sorted(done)))] if held else []
    whole = _union([*parts, *_read(root, new, progress)]).sort_by("run")
    whole = whole.replace_schema_metadata({_RUNS_KEY: json.dumps(sorted(done))})
    with writing("table", root / TABLE):
        replace(root / TABLE, lambda path: pq.write_table(whole, path), staging=root / STAGING)
    return len(new)


def _compacted(root: Path) -> tuple[pa.Table, set[str]]:
    path = root / TABLE
    if not path.exists():
        return _EMPTY, set()
    try:
        found = pq.read_table(path, memory_map=True)
        return found.replace_schema_metadata(None), set(json.loads(found.schema.metadata[_RUNS_KEY]))
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"table: expected a compacted table, but found {path} damaged ({error}); delete this file and compact again"
        ) from None


def _read(root: Path, ids: list[str], progress: Callable[[int, int], None] | None) -> list[pa.Table]:
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for rows in pool.map(lambda id: read_rows(root / RUNS / id), ids):
            found.append(rows)
            if progress:
                progress(len(found), len(ids))
    return found


def _union(parts: Iterable[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables([_EMPTY, *parts], promote_options="default")
    except pa.ArrowException as error:
        raise InvalidInputError(
            f"rows: expected columns of one type, but found {error}; remove one of the runs"
        ) from None
