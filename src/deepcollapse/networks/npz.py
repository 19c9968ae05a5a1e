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

__all__ = ["archived_bytes", "pixels", "read_npz"]

_NAMES = {
    "train": (
        *(("X", "y"), ("x", "y"), ("images", "labels"), ("image", "label")),
        *(("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels")),
    ),
    "test": (("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels")),
}
"""Names of the images and the labels, in the order in which they are looked for."""
_KINDS = ("uif", "uifUS")  # of images and of labels
_LARGEST = 2**32  # bytes of one array once unpacked
_CHANNELS = (1, 3)

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_DAMAGED += (ValueError, OverflowError, LookupError, struct.error)  # zipfile's, of names and offsets that are none
_BAD_HEADER = (ValueError, TypeError, KeyError, IndexError, SyntaxError, TokenError, MemoryError, OverflowError)


def read_npz(path: str | os.PathLike[str]) -> tuple[LabelledImages, LabelledImages | None]:
    """The images of an ``.npz`` archive, and its images for testing where it has such.

    Looked for are the arrays "X" and "y" (or "x"), "images" and "labels", "image" and "label", or, together with images
    for testing, "x_train" and "y_train" (or "X_train"), "train_images" and "train_labels".

    Nothing is unpickled, and an array is read only if its header agrees with the size of the archive's member, so that
    a forged header claims no memory.

    Images N x H x W become N x 1 x H x W, and N x H x W x C with one or three channels behind become N x C x H x W;
    other shapes stay. Whole numbers of one byte are divided by 255, floating ones are cast to float32 as they are.
    Labels are whole numbers or names, (N) or (N, 1); names are numbered from 0 in alphabetical order. K is the largest
    label plus one.

    Raises:
        InvalidInputError: a file that cannot be read or is no such archive; arrays that are missing, cut short, empty,
            of other types, of different lengths, not finite, or above 4 GiB; labels below 0, not whole, or for testing
        alone.
    """
    parts = {part: pair for part in _NAMES if (pair := _pair(path, part)) is not None}
    classes, numbers = np.unique(parts["train"][1], return_inverse=True)
    named = classes.dtype.kind in "US"
    if named:
        parts["train"] = parts["train"][0], numbers.reshape(-1)
    if "test" not in parts:
        return _labelled(*parts["train"], path), None
    images, labels = parts["test"]
    if labels.dtype.kind != classes.dtype.kind and {"U", "S"} & {labels.dtype.kind, classes.dtype.kind}:
        raise InvalidInputError(
            f"{Path(path).name}: expected labels of one kind for training and testing, but found {classes.dtype} and "
            f'{labels.dtype}; save both as labels.astype("str")'
        )
    if named:
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise InvalidInputError(
                f"{Path(path).name}: expected names of the training classes for testing, too, but found "
                f"{unknown[:5].tolist()}; leave these images out"
            )
        labels = np.searchsorted(classes, labels)
    return _labelled(*parts["train"], path), _labelled(images, labels, path)


def archived_bytes(path: str | os.PathLike[str], part: str) -> tuple[np.ndarray, np.ndarray]:
    """Grey images of bytes, N x 1 x H x W, and int64 labels of one part, "train" or "test", of an archive.

    Raises:
        InvalidInputError: as ``read_npz``, or images of another kind or shape.
    """
    found = _pair(path, part)
    if found is None or found[0].dtype != np.uint8 or found[0].ndim != 3 or found[1].dtype.kind not in "iu":
        raise InvalidInputError(
            f"{path}: expected unsigned bytes N x H x W and whole numbers for the part {part}, but found other arrays; "
            'read it with source "file"'
        )
    return found[0][:, None], found[1].astype(np.int64)


def _pair(path: str | os.PathLike[str], part: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Images and labels of a part as they are stored, labels (N, 1) as (N); None where there is nothing to test."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            pair = next((pair for pair in _NAMES[part] if held.issuperset(pair)), None)
            if pair is None and part == "test":
                return None
            if pair is None:
                raise InvalidInputError(
                    f'{path}: expected the arrays "X" and "y", or "images" and "labels", but found '
                    f"{', '.join(sorted(held)[:10]) or 'none'}; save them under these names"
                )
            images, labels = (
                _member(archive, name, path, kinds=kinds) for name, kinds in zip(pair, _KINDS, strict=True)
            )
    except InvalidInputError:
        raise
    except _DAMAGED as error:
        raise InvalidInputError(
            f"{path}: expected a readable .npz archive, but found: {error}; check the path, or save it again"
        ) from error
    labels = labels[:, 0] if labels.shape == (len(images), 1) else labels
    _expect_pair(images, labels, path)
    return images, labels


def _labelled(images: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str]) -> LabelledImages:
    if labels.min() < 0 or labels.max() >= 2**31:
        raise InvalidInputError(
            f"{Path(path).name}: expected labels 0 to K - 1, but found {labels.min()} to {labels.max()}; save "
            "numpy.unique(labels, return_inverse=True)[1] instead"
        )
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


def _member(
    archive: zipfile.ZipFile, name: str, path: str | os.PathLike[str], *, kinds: str
) -> Shaped[np.ndarray, "..."]:
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
        if dtype.kind not in kinds or min(shape, default=1) < 1 or not 0 < expected == held <= _LARGEST:
            raise InvalidInputError(
                f'{path}: expected "{name}" to hold numbers, at least one and at most 4 GiB, but found a header that '
                f"claims {dtype} of shape {shape} before {held} bytes; {_as_numbers(name, dtype)}"
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


def _as_numbers(name: str, dtype: np.dtype) -> str:
    """What to do with an array that is not read."""
    return f'save {name}.astype("str"), or numbers' if dtype.hasobject else "save an array of numbers, not empty"


def _expect_pair(images: np.ndarray, labels: np.ndarray, path: str | os.PathLike[str]) -> None:
    name = Path(path).name
    if images.ndim < 2 or (images.dtype != np.uint8 and images.dtype.kind != "f"):
        shape = "save images[:, None]" if images.ndim < 2 else 'save images.astype("float32") / 255'
        raise InvalidInputError(
            f"{name}: expected images of whole numbers of one byte or floating ones, N times a shape, but found "
            f"{images.dtype} of shape {images.shape}; {shape}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iuUS":
        raise InvalidInputError(
            f"{name}: expected {len(images)} whole numbers or names as labels, one per image, but found {labels.dtype} "
            f"of shape {labels.shape}; {_as_labels(labels, len(images))}"
        )


def _as_labels(labels: np.ndarray, images: int) -> str:
    if labels.ndim == 2 and len(labels) == images:
        return "save labels.argmax(axis=1)"
    return 'save labels.astype("int64")' if labels.shape == (images,) else "save as many labels as images"


def _channels_first(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS:
        return images.transpose(0, 3, 1, 2)
    return images
