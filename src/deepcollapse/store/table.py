"""The rows of all runs as one table: the part that is compacted, and what came since."""

import json
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import replace
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import RUNS, STAGING, TABLE, done_ids
from deepcollapse.store.runs import read_rows
from deepcollapse.store.union import union

__all__ = ["compact", "table"]

_RUNS_KEY = b"deepcollapse.runs"
_FEW = 256  # runs that are read one by one rather than looked for in the compacted table
_CHUNK = 64  # runs that a thread reads at a time

Progress = Callable[[int, int], None]


def table(root: Path, ids: Collection[str] | None = None) -> pa.Table:
    """The rows of these finished runs, or of all: by id, then as the run wrote them; other ids have no rows.

    A column that a kind of run lacks is null there. Costs about half a millisecond for each run that is not compacted.

    Raises:
        InvalidInputError: columns of one name and different types, or a damaged file.
    """
    wanted = done_ids(root) if ids is None else done_ids(root) & set(ids)
    held = set() if len(wanted) <= _FEW else _held(root)
    return _ordered(union([*_compacted(root, held, wanted), *_read(root, sorted(wanted - held))]))


def compact(root: Path, progress: Progress | None = None) -> int:
    """Gather the rows of all finished runs in one Parquet file, put in place of the older one in one step.

    Only runs that are not in it yet are read. All rows must fit in memory.

    Args:
        root: of the store.
        progress: called with the runs read, and to be read.

    Returns:
        How many runs were new to the file.

    Raises:
        InvalidInputError: columns of one name and different types, or a damaged file.
        StoreError: the disk refuses; the older file is then still there.
    """
    done, held = done_ids(root), _held(root)
    new = sorted(done - held)
    if held == done and (root / TABLE).exists():
        return 0
    rows = _ordered(union([*_compacted(root, held, done), *_read(root, new, progress)]))
    rows = rows.replace_schema_metadata({_RUNS_KEY: json.dumps(sorted(done))})
    with writing("table", root / TABLE):
        replace(root / TABLE, lambda path: pq.write_table(rows, path), staging=root / STAGING)
    return len(new)


def _held(root: Path) -> set[str]:
    """The runs that the compacted table holds."""
    if not (path := root / TABLE).exists():
        return set()
    with _readable(path):
        return set(json.loads(pq.read_schema(path).metadata[_RUNS_KEY]))


def _compacted(root: Path, held: set[str], wanted: set[str]) -> list[pa.Table]:
    """The compacted table's rows of the wanted runs, if it has any."""
    if not held & wanted:
        return []
    with _readable(root / TABLE):
        rows = pq.read_table(root / TABLE, partitioning=None)  # type: ignore[arg-type].replace_schema_metadata(None)
    return [rows if held <= wanted else rows.filter(pc.field("run").isin(sorted(wanted)))]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(
            f"table: expected a compacted table, but found {path} damaged ({error}); delete this file and compact again"
        ) from None


def _read(root: Path, ids: list[str], progress: Progress | None = None) -> Iterator[pa.Table]:
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    pool, done = ThreadPoolExecutor(os.cpu_count()), 0
    try:
        for chunk in pool.map(lambda chunk: [read_rows(root / RUNS / id) for id in chunk], chunks):
            yield from chunk
            done += len(chunk)
            if progress:
                progress(done, len(ids))
    finally:
        pool.shutdown(cancel_futures=True)


def _ordered(rows: pa.Table) -> pa.Table:
    return rows.combine_chunks().sort_by("run")
