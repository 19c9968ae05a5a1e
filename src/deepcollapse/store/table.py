"""The rows of all runs as one table: the part that is compacted, and what came since."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepcollapse.documents import json_object
from deepcollapse.store.disk import replace
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import RUNS, STAGING, TABLE, commit_times, done_ids
from deepcollapse.store.runs import read_rows
from deepcollapse.store.union import union

__all__ = ["compact", "table"]

_RUNS_KEY, _DIGEST_KEY = b"deepcollapse.runs", b"deepcollapse.sha256"
_BLANK = b"0" * 64
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
    older = _Compacted()
    if len(wanted) > _FEW:
        older = _compacted(root, {id: time for id, time in commit_times(root).items() if id in wanted})
    return _all_rows(older, dict(_read(root, sorted(wanted - older.columns.keys()))))


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
    older = _compacted(root, times)
    if older.columns.keys() == times.keys() and older.whole:
        return 0
    new = dict(_read(root, sorted(times.keys() - older.columns.keys()), progress))
    rows = _all_rows(older, new)
    columns = {**older.columns} | {id: tuple(table.column_names) for id, table in new.items()}
    kinds = sorted({*columns.values()})
    held = {"kinds": kinds, "runs": {id: [times[id], kinds.index(names)] for id, names in sorted(columns.items())}}
    content = _sealed(rows, held)
    with writing("table", root / TABLE):
        replace(root / TABLE, content, staging=root / STAGING)
    return len(new)


@dataclass(frozen=True, slots=True)
class _Compacted:
    """What of the compacted table is still true.

    Attributes:
        columns: of each run that it holds as it is now, as the run wrote them.
        rows: of these runs, in at most one table.
        whole: whether the table holds nothing else.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[pa.Table, ...] = ()
    whole: bool = False


def _compacted(root: Path, wanted: Mapping[str, int]) -> _Compacted:
    """The compacted table, as far as it holds these runs; nothing where it is missing or damaged.

    All rows are in the folders of their runs too, so that a damaged table is made again rather than refused.

    Args:
        root: of the store.
        wanted: runs and their commit times.
    """
    try:
        content = _unsealed((root / TABLE).read_bytes())
    except FileNotFoundError:
        return _Compacted()
    if content is None:
        return _Compacted()
    file = pq.ParquetFile(pa.py_buffer(content), page_checksum_verification=True)
    held = json_object(file.metadata.metadata[_RUNS_KEY], {"kinds": list, "runs": dict})
    columns = {id: tuple(held["kinds"][kind]) for id, (time, kind) in held["runs"].items() if wanted.get(id) == time}
    rows, whole = file.read(), len(columns) == len(held["runs"])
    return _Compacted(columns, (rows if whole else rows.filter(pc.field("run").isin(sorted(columns))),), whole)


def _all_rows(older: _Compacted, new: Mapping[str, pa.Table]) -> pa.Table:
    """By run. The columns depend on which kinds of runs there are, not on when they came."""
    kinds = {*older.columns.values(), *(tuple(table.column_names) for table in new.values())}
    names = dict.fromkeys(["run", *(name for kind in sorted(kinds) for name in kind)])
    return union([*older.rows, *new.values()]).select(list(names)).combine_chunks().sort_by("run")


def _sealed(rows: pa.Table, held: Mapping[str, Any]) -> bytes:
    """A Parquet file with its own SHA-256 among its metadata, taken while zeros stand there."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, rows.schema, write_page_checksum=True, store_schema=False) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({_RUNS_KEY: json.dumps(held).encode(), _DIGEST_KEY: _BLANK})
    content = sink.getvalue().to_pybytes()
    return _with_digest(content, sha256(content).hexdigest().encode())


def _unsealed(content: bytes) -> bytes | None:
    """The bytes as they were written, None if there are others."""
    start = _digest_start(content)
    digest = content[start : start + len(_BLANK)]
    same = start > 0 and sha256(_with_digest(content, _BLANK)).hexdigest().encode() == digest
    return content if same else None


def _with_digest(content: bytes, digest: bytes) -> bytes:
    start = _digest_start(content)
    return content[:start] + digest + content[start + len(digest) :]


def _digest_start(content: bytes) -> int:
    """Where the digest is: behind its key and the two bytes of Parquet's encoding of a text of 64 bytes."""
    found = content.rfind(_DIGEST_KEY)
    return -1 if found < 0 else found + len(_DIGEST_KEY) + 2


def _read(root: Path, ids: list[str], progress: Progress | None = None) -> Iterator[tuple[str, pa.Table]]:
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    pool, done = ThreadPoolExecutor(os.cpu_count()), 0
    try:
        for chunk in pool.map(lambda chunk: [(id, read_rows(root / RUNS / id)) for id in chunk], chunks):
            yield from chunk
            done += len(chunk)
            if progress:
                progress(done, len(ids))
    finally:
        pool.shutdown(cancel_futures=True)
