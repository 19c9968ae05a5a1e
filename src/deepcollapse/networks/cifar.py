"""CIFAR-10 and CIFAR-100 as their authors publish them: binary records, or pickles that are read but never run."""

import io
import math
import os
import pickletools
import warnings
from dataclasses import dataclass, field
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
    """Images and labels of one pickled batch ("data_batch_1", "test", ...), without unpickling it.

    Its operations are listed by ``pickletools`` and carried out here on plain containers. Nothing is imported or
    called: the names of NumPy's constructors are recognised, any other name is refused. Memory follows the length of
    the file, whatever the operations in it say.

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
        batch = _Machine().run(content)
        pixels, labels = _parts(batch, key="labels" if classes == 10 else "fine_labels")
    except ValueError as error:
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
    if not isinstance(batch, dict) or not {"data", key} <= batch.keys():
        raise ValueError(f'no dictionary with "data" and "{key}"')
    pixels, labels = batch["data"], batch[key]
    if not isinstance(pixels, _Array):
        raise ValueError('no array as "data"')
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise ValueError(f'no list of whole numbers as "{key}"')
    if not labels or pixels.shape != (len(labels), _PIXELS):
        raise ValueError(f"pixels of shape {pixels.shape} and {len(labels)} labels")
    return pixels.unsigned_bytes().reshape(-1, *_SHAPE), np.array(labels, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that a pickle would import."""

    name: str


@dataclass(slots=True)
class _Array:
    """What a pickle says of a matrix of unsigned bytes."""

    shape: tuple[int, int] = (0, 0)
    columns_first: bool = False
    content: str | bytes = b""

    def unsigned_bytes(self) -> UInt8[np.ndarray, "n p"]:
        """The array, if it holds what its shape says."""
        if len(self.content) != math.prod(self.shape):
            raise ValueError(f"{len(self.content)} bytes for an array of shape {self.shape}")
        order = "F" if self.columns_first else "C"
        content = self.content if isinstance(self.content, bytes) else self.content.encode("latin-1")
        return np.frombuffer(content, np.uint8).reshape(self.shape, order=order).copy()


_LONGEST_NAME = 80
_BYTE = _Name("byte")
_RECONSTRUCT = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_NAMES = {*_RECONSTRUCT, "numpy ndarray", "numpy dtype", "_codecs encode"}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "NONE", "NEWTRUE", "NEWFALSE"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(slots=True)
class _Machine:
    """The few operations that these files use, on lists, tuples, dictionaries with text as keys, numbers and text."""

    stack: list = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)

    def run(self, pickled: bytes) -> object:
        """What the pickle describes."""
        file = io.BytesIO(pickled)
        with warnings.catch_warnings(action="ignore"):  # of text with odd escapes, in operations refused below
            for operation, argument, _ in pickletools.genops(file):
                self._step(operation.name, argument)
        if file.tell() != len(pickled):
            raise ValueError(f"{len(pickled) - file.tell()} bytes behind its end")
        return self._taken(1)[0]

    def _step(self, name: str, argument: object) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(_CONSTANTS.get(name, argument))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self._top()  # type: ignore[index]
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise ValueError("a reference to nothing")
            stack.append(self.memo[argument])  # type: ignore[index]
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name == "TUPLE" or name in _TUPLES:
            stack.append(tuple(self._taken(_TUPLES.get(name))))
        elif name in ("APPEND", "APPENDS"):
            self._extend(self._taken(1 if name == "APPEND" else None))
        elif name in ("SETITEM", "SETITEMS"):
            self._insert(self._taken(2 if name == "SETITEM" else None))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(_known(argument if name == "GLOBAL" else " ".join(map(_short, self._taken(2)))))
        elif name == "REDUCE":
            stack.append(_called(*self._taken(2)))
        elif name == "BUILD":
            stack.append(_built(*self._taken(2)))
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"the operation {name}, which no such file needs")

    def _taken(self, count: int | None) -> list:
        """The topmost entries, down to the last mark or this many."""
        start = len(self.stack) - count if count is not None else self.marks.pop() if self.marks else -1
        if not 0 <= start <= len(self.stack):
            raise ValueError("an operation without its operands")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _top(self) -> object:
        if not self.stack:
            raise ValueError("an operation without its operands")
        return self.stack[-1]

    def _extend(self, entries: list) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise ValueError("entries appended to what is no list")
        target.extend(entries)

    def _insert(self, entries: list) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(entries) % 2:
            raise ValueError("keys set in what is no dictionary")
        for key, value in zip(entries[::2], entries[1::2], strict=True):
            target[_short(key)] = value


def _short(text: object) -> str:
    """Text for a key or a name: a short one, so that many references to a long one cost no memory."""
    if not isinstance(text, str | bytes) or len(text) > _LONGEST_NAME:
        raise ValueError(f"a key or name that is no short text but a {type(text).__name__}")
    return text if isinstance(text, str) else text.decode("latin-1")


def _known(name: object) -> _Name:
    if name not in _NAMES:
        raise ValueError(f"the name {str(name)[:_LONGEST_NAME]!r}, which was not imported or called")
    return _Name(str(name))


def _called(callee: object, arguments: object) -> object:
    """What one of NumPy's constructors would make; text encoded as latin1 is how protocol 2 writes bytes."""
    if isinstance(callee, _Name) and isinstance(arguments, tuple):
        if callee.name in _RECONSTRUCT:
            return _Array()
        if callee.name == "numpy dtype" and arguments and arguments[0] in ("u1", "|u1"):
            return _BYTE
        if callee.name == "_codecs encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return arguments[0]
    raise ValueError("a call that NumPy's arrays of bytes do not make")


def _built(target: object, state: object) -> object:
    """An array with its contents; the state of the type of single bytes says nothing."""
    if isinstance(target, _Array):
        match state:
            case (int(), (int(rows), int(columns)), _Name("byte"), int(order), (str() | bytes()) as content):
                target.shape, target.columns_first, target.content = (rows, columns), bool(order), content
            case _:
                raise ValueError("an array that is no matrix of bytes")
    elif target is not _BYTE:
        raise ValueError("a state for what has none")
    return target
