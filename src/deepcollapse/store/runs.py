"""A finished run: what is written of it, and what is read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.identity import canonical_json, jsonable

__all__ = ["Outcome", "StoredArrays", "StoredRun", "damaged", "read_notes", "read_rows", "read_run"]

_SPEC, _ROWS, _ARRAYS, _DOCUMENT, _NOTES = (
    "spec.json",
    "rows.parquet",
    "arrays.safetensors",
    "document.json",
    "notes.json",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        spec: what was run, in plain JSON types.
        rows: for the table of all runs; the column ``run`` is filled by the store.
        arrays: by name; numbers or booleans of any shape.
        document: the result for JSON; numbers without a value become null.
        notes: what may differ from time to time, "seconds" for example.
    """

    spec: Mapping[str, Any]
    rows: pa.Table
    arrays: Mapping[str, np.ndarray]
    document: Mapping[str, Any]
    notes: Mapping[str, Any]

    def files(self, id: str) -> dict[str, bytes]:
        """The contents of the run's folder by file name.

        Raises:
            InvalidInputError: a value that has no place in its file.
        """
        found = {
            _SPEC: canonical_json(self.spec).encode("ascii"),
            _ROWS: _rows(self.rows, id),
            _DOCUMENT: _text(self.document),
            _NOTES: _text(self.notes),
        }
        if self.arrays:
            found[_ARRAYS] = save({name: _saveable(name, array) for name, array in self.arrays.items()})
        return found


@dataclass(frozen=True, slots=True)
class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of a run by name; each is read when it is asked for.

    Attributes:
        path: of the file; without one there are no arrays.
    """

    path: Path

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in set(iter(self)):
            raise KeyError(name)
        with safe_open(self.path, framework="numpy") as file:
            return file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        if not self.path.exists():
            return iter(())
        try:
            with safe_open(self.path, framework="numpy") as file:
                return iter(sorted(file.keys()))
        except (OSError, SafetensorError) as error:
            raise damaged(self.path, error) from None

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run.

    Attributes:
        id: of the run.
        path: its folder.
        spec: what was run.
        rows: its rows of the table of all runs.
        arrays: by name, read when asked for.
        document: the result.
        notes: what may differ from time to time.
    """

    id: str
    path: Path
    spec: Mapping[str, Any]
    rows: pa.Table
    arrays: StoredArrays
    document: Mapping[str, Any]
    notes: Mapping[str, Any]


def read_run(folder: Path) -> StoredRun:
    """A finished run from its folder.

    Raises:
        InvalidInputError: a damaged or missing file.
    """
    arrays = StoredArrays(folder / _ARRAYS)
    len(arrays)
    return StoredRun(
        id=folder.name,
        path=folder,
        spec=_object(folder / _SPEC),
        rows=read_rows(folder),
        arrays=arrays,
        document=_object(folder / _DOCUMENT),
        notes=_object(folder / _NOTES),
    )


def read_rows(folder: Path) -> pa.Table:
    """The rows of a run.

    Raises:
        InvalidInputError: a damaged or missing file.
    """
    path = folder / _ROWS
    try:
        return pq.ParquetFile(pa.py_buffer(path.read_bytes()), page_checksum_verification=True).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from None


def read_notes(folder: Path) -> Mapping[str, Any]:
    """The notes of a run.

    Raises:
        InvalidInputError: a damaged or missing file.
    """
    return _object(folder / _NOTES)


def damaged(path: Path, error: Exception) -> InvalidInputError:
    """The error to raise about a file of a run."""
    reason = " ".join(str(error).split())
    return InvalidInputError(
        f"run: expected a whole file, but found {path} damaged ({reason}); delete the folder {path.parent} and do the "
        "run again"
    )


def _object(path: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise damaged(path, error) from None


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(jsonable(document), allow_nan=False, indent=1) + "\n").encode()


def _rows(table: pa.Table, id: str) -> bytes:
    if "run" in table.column_names:
        table = table.drop_columns("run")
    table = table.add_column(0, pa.field("run", pa.string()), pa.array([id] * table.num_rows, pa.string()))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_statistics=False, use_dictionary=False, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def _saveable(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidInputError(f"{name}: expected numbers or booleans, but found {array.dtype}; convert the array")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
