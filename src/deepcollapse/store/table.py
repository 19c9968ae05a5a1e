"""The rows of all runs as one table: the part that is compacted, and what came since."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import replace
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import RUNS, STAGING, TABLE, commit_times, done_ids
from deepcollapse.store.runs import read_rows
from deepcollapse.store.union import union

__all__ = ["compact", "table"]

_RUNS_KEY = b"deepcollapse.runs"
_FEW = 256  # runs that are read one by one rather than looked for in the compacted table
_CHUNK = 64  # runs that a thread reads at a time

Progress = Callable[[int, int], None]


def table(root: Path, ids: Collection[str] | None = None) -> pa.Table:
    """The rows of these finished runs, or of all: by id, then as the run wrote them; other ids have no rows.

    A column that a kind of run lacks is null there. Costs about half a millisecond for each run that is not compacted,
    or was done again since.

    Raises:
        InvalidInputError: columns of one name and different types, or a damaged file.
    """
    wanted = done_ids(root) if ids is None else done_ids(root) & set(ids)
    if len(wanted) <= _FEW:
        return _ordered(union(_read(root, sorted(wanted))))
    held, rows = _compacted(root, {id: time for id, time in commit_times(root).items() if id in wanted})
    return _ordered(union([*rows, *_read(root, sorted(wanted - held))]))


def compact(root: Path, progress: Progress | None = None) -> int:
    """Gather the rows of all finished runs in one Parquet file, put in place of the older one in one step.

    Only runs that are not in it yet are read, and those whose folder was deleted and that were done again. All rows
    must fit in memory.

    Args:
        root: of the store.
        progress: called with the runs read, and to be read.

    Returns:
        How many runs were read.

    Raises:
        InvalidInputError: columns of one name and different types, or a damaged file.
        StoreError: the disk refuses; the older file is then still there.
    """
    times = commit_times(root)
    if _compacted_times(root) == times:
        return 0
    held, older = _compacted(root, times)
    new = sorted(times.keys() - held)
    rows = _ordered(union([*older, *_read(root, new, progress)]))
    rows = rows.replace_schema_metadata({_RUNS_KEY: json.dumps(times, sort_keys=True)})
    with writing("table", root / TABLE):
        replace(root / TABLE, lambda path: pq.write_table(rows, path), staging=root / STAGING)
    return len(new)


def _compacted(root: Path, wanted: Mapping[str, int]) -> tuple[set[str], list[pa.Table]]:
    """Which of these runs the compacted table holds as they are now, and its rows of them.

    Args:
        root: of the store.
        wanted: runs and their commit times.
    """
    if not (root / TABLE).exists():
        return set(), []
    with _opened(root) as file:
        times = _times(file)
        held = {id for id, time in times.items() if wanted.get(id) == time}
        rows = [file.read()] if held else []
    if len(held) < len(times):
        rows = [found.filter(pc.field("run").isin(sorted(held))) for found in rows]
    return held, rows


def _compacted_times(root: Path) -> dict[str, int] | None:
    """The runs that the compacted table holds, and when each was committed; None where there is no such table."""
    if not (root / TABLE).exists():
        return None
    with _opened(root) as file:
        return _times(file)


def _times(file: pq.ParquetFile) -> dict[str, int]:
    """Of the runs in a compacted table; none where these are a list, without times: then all are read again."""
    found = json.loads(file.schema_arrow.metadata[_RUNS_KEY])
    return found if isinstance(found, dict) else {}


@contextmanager
def _opened(root: Path) -> Iterator[pq.ParquetFile]:
    """The compacted table: what is read of it while it is open belongs together, even if a newer one takes its place.

    Raises:
        InvalidInputError: it is damaged.
    """
    path = root / TABLE
    try:
        with pq.ParquetFile(path) as file:
            yield file
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
