"""A finished run: what is written of it, and what is read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store.identity import nullable_json, plain_json

__all__ = ["Outcome", "StoredArrays", "StoredRun", "read_notes", "read_rows", "read_run"]

_SPEC, _ROWS, _DOCUMENT, _NOTES = "spec.json", "rows.parquet", "document.json", "notes.json"
_ARRAYS, _DIGESTS = "arrays.safetensors", "digests.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        spec: what was run, in plain JSON types.
        rows: for the table of all runs; the column ``run`` is filled by the store. Types become those of Parquet:
            large and dictionary-encoded strings plain ones.
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
        """The content of each file in the run's folder.

        Raises:
            InvalidInputError: a value that has no place in its file.
        """
        found = {
            _SPEC: _text(plain_json(self.spec, "spec")),
            _ROWS: _parquet(self.rows, id),
            _DOCUMENT: _text(nullable_json(self.document, "document")),
            _NOTES: _text(nullable_json(self.notes, "notes")),
        }
        if self.arrays:
            arrays = {name: _numbers(name, array) for name, array in self.arrays.items()}
            found[_ARRAYS] = save(arrays, {name: _array_digest(array) for name, array in arrays.items()})
        digests = {name: sha256(content).hexdigest() for name, content in found.items()}
        return found | {_DIGESTS: _text(digests)}


@dataclass(frozen=True, slots=True)
class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of a run by name; each is read when it is asked for.

    Attributes:
        path: of the file; without it there are no arrays.
    """

    path: Path

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names():
            raise KeyError(name)
        with safe_open(self.path, framework="numpy") as file:
            found, digest = file.get_tensor(name), file.metadata()[name]
        if _array_digest(found) != digest:
            raise _damaged(self.path, ValueError(f"array {name!r} has other bytes than were written"))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        if not self.path.exists():
            return []
        try:
            with safe_open(self.path, framework="numpy") as file:
                names = sorted(file.keys())
                if names != sorted(file.metadata() or {}):
                    raise ValueError("not every array has its digest")
                return names
        except (OSError, ValueError, SafetensorError) as error:
            raise _damaged(self.path, error) from None


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
    spec: dict[str, Any]
    rows: pa.Table
    arrays: StoredArrays
    document: dict[str, Any]
    notes: dict[str, Any]


def read_run(folder: Path) -> StoredRun:
    """A finished run from its folder; arrays are looked at, but not read yet.

    Raises:
        InvalidInputError: a damaged or missing file, or rows of another run.
    """
    arrays = StoredArrays(folder / _ARRAYS)
    if not len(arrays) and _ARRAYS in _digests(folder):
        raise _damaged(arrays.path, ValueError("missing"))
    return StoredRun(
        id=folder.name,
        path=folder,
        spec=_object(folder / _SPEC),
        rows=read_rows(folder),
        arrays=arrays,
        document=_object(folder / _DOCUMENT),
        notes=read_notes(folder),
    )


def read_rows(folder: Path) -> pa.Table:
    """The rows of a run.

    Raises:
        InvalidInputError: a damaged or missing file, or rows of another run.
    """
    path = folder / _ROWS
    try:
        rows = pq.ParquetFile(pa.py_buffer(_content(path)), page_checksum_verification=True).read(use_threads=False)
        found = rows["run"].unique().to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _damaged(path, error) from None
    if found not in ([], [folder.name]):
        raise _damaged(path, ValueError(f"rows of run {found[0]}"))
    return rows


def read_notes(folder: Path) -> dict[str, Any]:
    """The notes of a run.

    Raises:
        InvalidInputError: a damaged or missing file.
    """
    return _object(folder / _NOTES)


def _damaged(path: Path, error: Exception) -> InvalidInputError:
    reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
    return InvalidInputError(
        f"run: expected a whole file, but found {path} damaged ({reason}); delete the folder {path.parent} and do the "
        "run again"
    )


def _object(path: Path) -> dict[str, Any]:
    content = _content(path)
    try:
        return json_object(content)
    except InvalidInputError as error:
        raise _damaged(path, error) from None


def _content(path: Path) -> bytes:
    """The bytes of a file, which are those that were written.

    Raises:
        InvalidInputError: others, or none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error) from None
    if sha256(content).hexdigest() != _digests(path.parent).get(path.name):
        raise _damaged(path, ValueError("other bytes than were written"))
    return content


def _digests(folder: Path) -> dict[str, Any]:
    """The digest of each file that was written."""
    path = folder / _DIGESTS
    try:
        return json_object(path.read_bytes())
    except (OSError, InvalidInputError) as error:
        raise _damaged(path, error) from None


def _text(document: object) -> bytes:
    return (json.dumps(document, allow_nan=False, indent=1) + "\n").encode()


def _parquet(rows: pa.Table, id: str) -> bytes:
    """Without compression, statistics and Arrow's own schema: small files are read much faster so."""
    names = [name for name in rows.column_names if name != "run"]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise InvalidInputError(f"rows: expected columns of different names, but found {min(doubled)!r} twice; rename")
    rows = rows.select(names).add_column(0, "run", pa.array([id] * len(rows), pa.string()))
    settings: Any = {"compression": "none", "write_statistics": False, "use_dictionary": False, "store_schema": False}
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(rows, sink, write_page_checksum=True, **settings)
    except pa.ArrowException as error:
        raise InvalidInputError(f"rows: expected columns for Parquet, but found: {error}; convert them") from None
    return sink.getvalue().to_pybytes()


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidInputError(f"{name}: expected numbers or booleans, but found {array.dtype}; convert the array")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _array_digest(array: np.ndarray) -> str:
    """Over type, shape and bytes."""
    return sha256(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()).hexdigest()
