"""IDX files, the format of MNIST and Fashion-MNIST: a big-endian header and one array, optionally gzipped."""

import gzip
import io
import math
import os
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from deepcollapse.errors import InvalidInputError

__all__ = ["claimed_bytes", "read_idx", "read_idx_images"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4
_LARGEST = 2**31  # bytes; the largest set in this format, EMNIST, has a quarter of it
_CHUNK = 2**20
_GZIP = b"\x1f\x8b"

_DAMAGED = (OSError, EOFError, zlib.error)


def read_idx(path: str | os.PathLike[str]) -> Shaped[np.ndarray, "..."]:
    """The array of one IDX file, in the machine's byte order.

    The header is two zero bytes, the type, the number of dimensions (1 to 4), and the sizes as 32-bit integers; the
    file holds exactly that many entries and nothing behind them. Memory follows what the file holds, not what its
    header claims. A file that starts like gzip is decompressed, whatever its name.

    Raises:
        InvalidInputError: a file that cannot be read, is no IDX file, is shorter or longer than its header says, or
            holds more than 2 GiB.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    try:
        with open(path, "rb") as raw:
            if raw.peek(2)[:2] != _GZIP:
                return _array(raw, path)
            with gzip.open(raw) as unzipped:
                return _array(unzipped, path)
    except _DAMAGED as error:
        raise InvalidInputError(
            f"{path}: expected a readable IDX file, but found: {error}; check the path, or download the file again"
        ) from error


def read_idx_images(
    images: str | os.PathLike[str], labels: str | os.PathLike[str]
) -> tuple[UInt8[np.ndarray, "N 1 H W"], Int[np.ndarray, " N"]]:
    """Grey images of bytes and their labels from a pair of IDX files.

    Args:
        images: path of a file of type unsigned byte with sizes N, H, W.
        labels: path of one with size N.

    Returns:
        Images N x 1 x H x W and labels as int64.

    Raises:
        InvalidInputError: as ``read_idx``; other types or numbers of dimensions; images and labels that differ in
            number.
    """
    pixels, classes = _bytes(images, dimensions=3), _bytes(labels, dimensions=1)
    if len(pixels) != len(classes):
        raise InvalidInputError(
            f"{Path(labels).name}: expected {len(pixels)} labels, one per image of {Path(images).name}, but found "
            f"{len(classes)}; pair the files of one set"
        )
    return pixels[:, None], classes.astype(np.int64)


def claimed_bytes(file: io.BufferedIOBase, expected: int) -> bytearray:
    """The rest of a file: all of it if it is no longer than expected, else one byte more than that.

    Memory grows with what is read, never with what is expected.
    """
    content = bytearray()
    while len(content) <= expected and (chunk := file.read(min(_CHUNK, expected + 1 - len(content)))):
        content += chunk
    return content


def _bytes(path: str | os.PathLike[str], *, dimensions: int) -> UInt8[np.ndarray, "..."]:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != dimensions:
        raise InvalidInputError(
            f"{path}: expected unsigned bytes in {dimensions} dimension{'s' * (dimensions > 1)}, but found "
            f"{array.dtype} in {array.ndim}; images and labels may be swapped"
        )
    return array


def _array(file: io.BufferedIOBase, path: str | os.PathLike[str]) -> Shaped[np.ndarray, "..."]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MOST_DIMENSIONS:
        raise InvalidInputError(
            f"{path}: expected an IDX file, starting with two zero bytes, a type and a number of dimensions, but found "
            f"{magic.hex(' ') or 'an empty file'}; download the file again"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise InvalidInputError(
            f"{path}: expected {magic[3]} sizes of 4 bytes each, but found the end of the file; download it again"
        )
    shape, dtype = tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(_TYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    if not 0 < expected <= _LARGEST:
        raise InvalidInputError(
            f"{path}: expected 1 byte to 2 GiB of entries, but found a header that claims the shape {shape}; download "
            "the file again"
        )
    content = claimed_bytes(file, expected)
    if len(content) != expected:
        found = "more" if len(content) > expected else f"only {len(content)}"
        raise InvalidInputError(
            f"{path}: expected {expected} bytes behind the header, as it claims, but found {found}; download the file "
            "again"
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
