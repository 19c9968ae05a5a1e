"""CIFAR-10 and CIFAR-100 as their authors publish them: binary records, or pickles that cannot run anything."""

import io
import math
import os
import pickle
import pickletools
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from deepcollapse.errors import InvalidInputError

__all__ = ["read_cifar_binary", "read_cifar_pickle"]

_SHAPE = (3, 32, 32)
_PIXELS = math.prod(_SHAPE)
_LABEL_BYTES = {10: 1, 100: 2}  # CIFAR-100 has a coarse label before the fine one

Images = UInt8[np.ndarray, "N 3 32 32"]
Labels = Int[np.ndarray, " N"]


def read_cifar_binary(path: str | os.PathLike[str], *, classes: int = 10) -> tuple[Images, Labels]:
    """Images and labels of one ``.bin`` file: records of a label (CIFAR-100: coarse, then fine) and 3,072 pixels.

    Args:
        path: the file.
        classes: 10, or 100 for the fine labels of CIFAR-100.

    Returns:
        Images N x 3 x 32 x 32 and labels as int64.

    Raises:
        InvalidInputError: a file that cannot be read or does not hold whole records, or labels out of range; classes
            neither 10 nor 100.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    if classes not in _LABEL_BYTES:
        raise InvalidInputError(f"classes: expected 10 or 100, but found {classes}; CIFAR has no other set")
    head = _LABEL_BYTES[classes]
    content = np.frombuffer(_content(path), np.uint8)
    if not content.size or content.size % (head + _PIXELS):
        raise InvalidInputError(
            f"{path}: expected records of {head + _PIXELS} bytes (CIFAR-{classes}), but found {content.size} bytes; "
            f"download the file again, or read it as CIFAR-{110 - classes}"
        )
    records = content.reshape(-1, head + _PIXELS)
    labels = records[:, head - 1].astype(np.int64)
    _expect_labels(labels, classes=classes, path=path)
    return records[:, head:].reshape(-1, *_SHAPE).copy(), labels


def read_cifar_pickle(path: str | os.PathLike[str], *, classes: int = 10) -> tuple[Images, Labels]:
    """Images and labels of one pickled batch ("data_batch_1", "test", ...), read by a restricted unpickler.

    Only the operations and names that such a file needs are accepted, and NumPy's constructors are replaced by
    stand-ins, so nothing in the file is imported or called. Memory follows the length of the file.

    Args:
        path: the file; protocols 2 to 4, from Python 2 or 3.
        classes: 10, or 100 for the fine labels of CIFAR-100.

    Returns:
        Images N x 3 x 32 x 32 and labels as int64.

    Raises:
        InvalidInputError: a file that cannot be read, or is no pickle of a dictionary with the pixels "data" (bytes,
            N x 3,072) and "labels" ("fine_labels"); labels out of range; classes neither 10 nor 100.
    """
    if classes not in _LABEL_BYTES:
        raise InvalidInputError(f"classes: expected 10 or 100, but found {classes}; CIFAR has no other set")
    content = _content(path)
    try:
        pixels, labels = _parts(_unpickled(content), key="labels" if classes == 10 else "fine_labels")
    except _FAILURES as error:
        raise InvalidInputError(
            f"{path}: expected a pickled batch of CIFAR-{classes}, but found {error}; download the file again"
        ) from error
    _expect_labels(labels, classes=classes, path=path)
    return pixels, labels


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{path}: expected a readable file, but found: {error}; check the path, or download the file again"
        ) from error


def _expect_labels(labels: Labels, *, classes: int, path: str | os.PathLike[str]) -> None:
    if labels.min() < 0 or labels.max() >= classes:
        raise InvalidInputError(
            f"{path}: expected labels 0 to {classes - 1}, but found {labels.min()} to {labels.max()}; this is no file "
            f"of CIFAR-{classes}"
        )


def _parts(batch: object, *, key: str) -> tuple[Images, Labels]:
    named = batch if isinstance(batch, dict) else {}
    named = {name.encode() if isinstance(name, str) else name: value for name, value in named.items()}
    if not {b"data", key.encode()} <= named.keys():
        raise ValueError(f'no dictionary with "data" and "{key}"')
    pixels, labels = named[b"data"], named[key.encode()]
    if not isinstance(pixels, _Array):
        raise ValueError('no array as "data"')
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise ValueError(f'no list of whole numbers as "{key}"')
    if not labels or pixels.shape != (len(labels), _PIXELS):
        raise ValueError(f"pixels of shape {pixels.shape} and {len(labels)} labels")
    return pixels.unsigned_bytes().reshape(-1, *_SHAPE), np.array(labels, dtype=np.int64)


class _Array:
    """Stands in for NumPy's arrays, of which only matrices of unsigned bytes are accepted."""

    __slots__ = ("columns_first", "content", "shape")

    def __init__(self, *_: object) -> None:
        self.__setstate__((1, (0, 0), _Bytes("u1"), False, b""))

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), (int(rows), int(columns)), _Bytes(), int(order), (str() | bytes()) as content):
                self.shape, self.columns_first, self.content = (rows, columns), bool(order), content
            case _:
                raise ValueError("an array that is no matrix of bytes")

    def unsigned_bytes(self) -> UInt8[np.ndarray, "n p"]:
        """The array, if it holds what its shape says."""
        if len(self.content) != math.prod(self.shape):
            raise ValueError(f"{len(self.content)} bytes for an array of shape {self.shape}")
        content = self.content if isinstance(self.content, bytes) else self.content.encode("latin-1")
        order = "F" if self.columns_first else "C"
        return np.frombuffer(content, np.uint8).reshape(self.shape, order=order).copy()


class _Bytes:
    """Stands in for NumPy's type of unsigned bytes, whose state says nothing more."""

    __slots__ = ()

    def __init__(self, name: object, *_: object) -> None:
        if name not in ("u1", "|u1", b"u1", b"|u1"):
            raise ValueError("an array that is no matrix of bytes")

    def __setstate__(self, state: object) -> None:
        pass


def _encoded(text: object, encoding: object) -> object:
    """Text that protocol 2 writes in place of bytes; it stays text, so that copies cost no memory."""
    if encoding != "latin1":
        raise ValueError(f"the encoding {encoding!r:.40}")
    return text


_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Bytes,
    ("_codecs", "encode"): _encoded,
}
_OPERATIONS = {
    *("PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NONE", "NEWTRUE", "NEWFALSE"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
}
_FAILURES = (pickle.UnpicklingError, ValueError, TypeError, AttributeError, KeyError, IndexError, EOFError)


class _Unpickler(pickle.Unpickler):
    """Knows the stand-ins and no other name."""

    def find_class(self, module: str, name: str) -> object:
        """The stand-in for a name of NumPy."""
        if (module, name) not in _STAND_INS:
            raise ValueError(f"the name {f'{module}.{name}':.80}, which was not imported")
        return _STAND_INS[module, name]


def _unpickled(content: bytes) -> object:
    """What the pickle describes, once all its operations are known to be harmless."""
    file = io.BytesIO(content)
    with warnings.catch_warnings(action="ignore"):  # of text with odd escapes, in operations refused below
        for operation, argument, _ in pickletools.genops(file):
            if operation.name not in _OPERATIONS:
                raise ValueError(f"the operation {operation.name}, which no such file needs")
            if operation.name in ("FRAME", "LONG_BINPUT") and isinstance(argument, int) and argument > len(content):
                raise ValueError("a number that no file of its length needs")
    if file.tell() != len(content):
        raise ValueError(f"{len(content) - file.tell()} bytes behind its end")
    file.seek(0)
    return _Unpickler(file, encoding="bytes").load()
