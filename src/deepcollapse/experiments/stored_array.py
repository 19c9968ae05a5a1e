"""Arrays in files, looked at but not read yet: .npz, .safetensors and folders of .npy."""

import lzma
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fstat
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from safetensors import SafetensorError, safe_open

from deepcollapse.errors import InvalidInputError

__all__ = ["StoredArray", "as_numpy", "stored_arrays"]

_SHAPES = {"features": "N x d", "labels": "N", "weight": "K x d", "bias": "K", "logits": "N x K"}
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_NUMBERS = ("int", "uint", "float", "bfloat", "bool", "BOOL")
_SAFETENSORS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"} | {
    f"{sign}{bits}": f"{kind}{bits}" for sign, kind in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)
}
_DAMAGES = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, SafetensorError),
    *(SyntaxError, TypeError, TokenError),  # of headers, which are Python literals
)
_DIRECTORY_ENTRY = b"PK\x01\x02"


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a file that is not read yet.

    Attributes:
        name: of the array.
        path: of its file.
        shape: as written.
        dtype: name of its dtype; "bfloat16", too.
        opened: gives what is sliced by rows: an array, a memory map, or a slice of safetensors.
    """

    name: str
    path: Path
    shape: tuple[int, ...]
    dtype: str
    opened: Callable[[], Any]

    def blocks(self, rows: int) -> Iterator[Any]:
        """So many rows at a time, in the machine's byte order; torch tensors where NumPy lacks the dtype."""
        with _readable(self.path):
            opened: Any = self.opened() if self.shape[0] else ()
        for start in range(0, self.shape[0], rows):
            with _readable(self.path):
                part = opened[start : min(start + rows, self.shape[0])]
                part = np.array(part, part.dtype.newbyteorder("=")) if isinstance(part, np.ndarray) else part
            yield part  # a copy: a view would hold a whole array of an archive while the next one is read

    def whole(self) -> np.ndarray:
        """All of it; bfloat16 as float32, which is exact."""
        return as_numpy(next(self.blocks(max(1, self.shape[0])), np.zeros(self.shape, dtype=np.int64)))

    def refusal(self, expected: str, remedy: str) -> InvalidInputError:
        """The error to raise about this array."""
        return InvalidInputError(
            f"{self.name}: expected {expected}, but found {self.dtype} of shape {self.shape} in {self.path}; {remedy}"
        )


def stored_arrays(path: str | PathLike[str]) -> dict[str, StoredArray]:
    """The arrays of a file by name, of the right kind and shape, not read yet; pickled objects are never loaded.

    Arrays of other names, and other files in a folder or archive, are not looked at. An ``.npz`` has checksums and the
    other formats have only sizes, so that flipped bits show in an ``.npz`` alone.

    Args:
        path: ``.npz``, ``.safetensors``, or a folder of ``.npy`` files, with arrays ``features`` (N x d; float16,
            bfloat16, float32 or float64) and ``labels`` (N integers), and perhaps ``weight`` (K x d), ``bias`` (K) and
            ``logits`` (N x K). Folders are memory-mapped and safetensors read by rows; an array in an ``.npz`` is read
            whole.

    Raises:
        InvalidInputError: no such file, another or a damaged format, arrays missing, of another shape or kind.
    """
    if not (path := Path(path)).exists():
        raise InvalidInputError(f"file: expected features, but found no {path}; check the path")
    reader = _folder if path.is_dir() else {".npz": _npz, ".safetensors": _safetensors}.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"file: expected .npz, .safetensors or a folder of .npy, but found {path}; save one")
    with _readable(path):
        stored = reader(path)
        found = {name: stored[name]() for name in _SHAPES if name in stored}
    if not {"features", "labels"} <= found.keys():
        names = ", ".join(sorted(stored)) or "no array"
        raise InvalidInputError(f"file: expected features and labels, but found {names} in {path}; rename, or add them")
    for array in found.values():
        _expect(array, samples=found["features"].shape[:1])
    return found


def as_numpy(part: Any) -> np.ndarray:
    """A block of an array as NumPy has it: bfloat16 as float32, which is exact."""
    return part if isinstance(part, np.ndarray) else part.float().numpy()


def _expect(array: StoredArray, *, samples: tuple[int, ...]) -> None:
    """Dtype, number of dimensions, and one row per sample."""
    shape = _SHAPES[array.name]
    if array.name == "labels" and not (array.dtype.startswith(("int", "uint")) and len(array.shape) == 1):
        raise array.refusal("one class number per sample, N integers", _label_remedy(array))
    if array.name != "labels" and array.dtype not in _FLOATS:
        raise array.refusal(f"one of {', '.join(_FLOATS)}", "convert it to float32; objects are never loaded")
    per_sample = shape.startswith("N")
    if len(array.shape) != len(shape.split(" x ")) or 0 in array.shape[per_sample:]:
        raise array.refusal(f"shape {shape}", "reshape it")
    if per_sample and array.shape[:1] != samples:
        raise array.refusal(f"{samples[0]} rows, as features have", "save both of the same samples")


def _label_remedy(array: StoredArray) -> str:
    """What to save instead; names are numbered over all files, so that a class has one number."""
    column = "[:, 0]" if len(array.shape) == 2 and array.shape[1] == 1 else ""
    if len(array.shape) != 1 and not column:
        rows = len(array.shape) == 2 and array.dtype.startswith(_NUMBERS)
        return "of one-hot rows save labels.argmax(axis=1)" if rows else "save one label per sample, as a vector"
    if array.dtype.startswith(("int", "uint")):
        return f"save labels{column}"
    if array.dtype.startswith(_NUMBERS):
        return f'save labels{column}.astype("int64")'
    return f"number them: save np.unique(labels{column}, return_inverse=True)[1], of the labels of all files together"


def _npz(path: Path) -> dict[str, Callable[[], StoredArray]]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for entry in entries:
            archive.open(entry).close()  # compares the two names of an entry, so that none is lost by a damaged one
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names) or any(_DIRECTORY_ENTRY in entry.comment for entry in entries):
        raise ValueError("an entry is there twice, or hidden in the comment of another")
    return {name.removesuffix(".npy"): lambda name=name: _entry(path, name) for name in names if name.endswith(".npy")}


def _entry(path: Path, name: str) -> StoredArray:
    def opened() -> np.ndarray:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            return npy.read_array(file, allow_pickle=False)

    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        return StoredArray(name.removesuffix(".npy"), path, *_header(file, archive.getinfo(name).file_size), opened)


def _folder(path: Path) -> dict[str, Callable[[], StoredArray]]:
    def stored(file: Path) -> StoredArray:
        with file.open("rb") as start:
            header = _header(start, fstat(start.fileno()).st_size)
        return StoredArray(file.stem, file, *header, lambda: np.load(file, "r", allow_pickle=False))

    return {file.stem: lambda file=file: stored(file) for file in path.glob("*.npy")}


def _safetensors(path: Path) -> dict[str, Callable[[], StoredArray]]:
    def stored(name: str) -> StoredArray:
        with safe_open(path, framework="numpy") as file:
            part = file.get_slice(name)
            dtype = _SAFETENSORS.get(part.get_dtype()) or str(part.get_dtype())
            shape = tuple(part.get_shape())
        framework = "pt" if dtype == "bfloat16" else "numpy"
        return StoredArray(name, path, shape, dtype, lambda: safe_open(path, framework).get_slice(name))

    with safe_open(path, framework="numpy") as file:
        return {name: lambda name=name: stored(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _header(file: Any, size: int) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a .npy file of so many bytes; nothing else of it is read.

    Entries must take up all of the file: an archive compares its checksum only with what is read to the end.
    """
    read = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    wanted = file.tell() + math.prod(shape) * dtype.itemsize
    if size != wanted and not dtype.hasobject:
        raise ValueError(f"{size} bytes where its header announces {wanted}")
    return shape, str(dtype.newbyteorder("="))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file raises into one error."""
    try:
        yield
    except _DAMAGES as error:
        raise InvalidInputError(f"file: expected a whole one, but found {path} ({error}); save it anew") from None
