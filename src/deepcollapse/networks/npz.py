"""Labelled images from a NumPy archive, read by the sizes of what is there."""

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import cast

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.idx import claimed_bytes
from deepcollapse.networks.images import LabelledImages

__all__ = ["pixels", "read_npz"]

_NAMES = (("X", "y"), ("images", "labels"))
_LARGEST = 2**32  # bytes of one array once unpacked
_CHANNELS = (1, 3)

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_DAMAGED += (ValueError, OverflowError, LookupError, struct.error)  # zipfile's, of names and offsets that are none
_BAD_HEADER = (ValueError, TypeError, KeyError, IndexError, SyntaxError, TokenError, MemoryError, OverflowError)


def read_npz(path: str | os.PathLike[str]) -> LabelledImages:
    """The arrays "X" and "y", or "images" and "labels", of an ``.npz`` archive.

    Nothing is unpickled, and an array is read only if its header agrees with the size of the archive's member, so that
    a forged header claims no memory.

    Images N x H x W become N x 1 x H x W, and N x H x W x C with one or three channels behind become N x C x H x W;
    other shapes stay. Whole numbers of one byte are divided by 255, floating ones are cast to float32 as they are.
    K is the largest label plus one.

    Raises:
        InvalidInputError: a file that cannot be read or is no such archive; arrays that are missing, cut short, empty,
            of other types, of different lengths, not finite, or above 4 GiB; labels below 0 or not whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            pair = next((pair for pair in _NAMES if held.issuperset(pair)), None)
            if pair is None:
                raise InvalidInputError(
                    f'{path}: expected the arrays "X" and "y", or "images" and "labels", but found '
                    f"{', '.join(sorted(held)[:10]) or 'none'}; rename them"
                )
            images, labels = (_member(archive, name, path) for name in pair)
    except InvalidInputError:
        raise
    except _DAMAGED as error:
        raise InvalidInputError(
            f"{path}: expected a readable .npz archive, but found: {error}; check the path, or save it again"
        ) from error
    _expect_pair(images, labels, path)
    with np.errstate(over="ignore"):
        scaled = pixels(_channels_first(images))
    if not np.isfinite(scaled).all():
        raise InvalidInputError(
            f"{path}: expected images that are finite in float32, but found NaN or infinity; remove or rescale them"
        )
    return LabelledImages(scaled, labels.astype(np.int64), classes=int(labels.max()) + 1)


def pixels(images: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """As float32: whole numbers of one byte divided by 255, so in [0, 1]; others as they are.

    >>> pixels(np.array([0, 51, 255], dtype=np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if images.dtype != np.uint8:
        return images.astype(np.float32)
    return np.divide(images, 255.0, dtype=np.float32)


def _member(archive: zipfile.ZipFile, name: str, path: str | os.PathLike[str]) -> Shaped[np.ndarray, "..."]:
    full = name if name in archive.namelist() else f"{name}.npy"
    if archive.getinfo(full).compress_type not in _COMPRESSIONS:
        raise InvalidInputError(
            f'{path}: expected "{name}" stored or deflated, as NumPy does, but found another compression; save it again'
        )
    with cast(io.BufferedIOBase, archive.open(full)) as file:
        try:
            shape, columns_first, dtype = _header(file)
        except _BAD_HEADER as error:
            raise InvalidInputError(
                f'{path}: expected "{name}" to be an array in NumPy\'s format, but found: {error}; save it again'
            ) from error
        held = archive.getinfo(full).file_size - file.tell()
        expected = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "uif" or min(shape, default=1) < 1 or not 0 < expected == held <= _LARGEST:
            raise InvalidInputError(
                f'{path}: expected "{name}" to hold numbers, at least one and at most 4 GiB, but found a header that '
                f"claims {dtype} of shape {shape} before {held} bytes; save it again"
            )
        content = claimed_bytes(file, expected)
    if len(content) != expected:
        raise EOFError(f'"{name}" has {len(content)} bytes or more instead of {expected}')
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(file: io.BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with warnings.catch_warnings(action="ignore"):  # of headers written by Python 2
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise ValueError(f"version {version} of the format")
        return readers[version](file)


def _expect_pair(images: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str]) -> None:
    name = Path(path).name
    if images.ndim < 2 or (images.dtype != np.uint8 and images.dtype.kind != "f"):
        raise InvalidInputError(
            f"{name}: expected images of whole numbers of one byte or floating ones, N times a shape, but found "
            f"{images.dtype} of shape {images.shape}; cast them"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InvalidInputError(
            f"{name}: expected {len(images)} whole numbers as labels, one per image, but found {labels.dtype} of shape "
            f"{labels.shape}; save both in the same order"
        )
    if labels.min() < 0 or labels.max() >= 2**31:
        raise InvalidInputError(
            f"{name}: expected labels 0 to K - 1, but found {labels.min()} to {labels.max()}; relabel"
        )


def _channels_first(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS:
        return images.transpose(0, 3, 1, 2)
    return images
