"""Labelled images from a CSV file with one image per line, as Kaggle keeps MNIST."""

import math
import os
import warnings

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.images import LabelledImages
from deepcollapse.networks.npz import pixels

__all__ = ["read_csv"]


def read_csv(path: str | os.PathLike[str]) -> LabelledImages:
    """The images of a CSV file: a header, then a line per image with its label first and its pixels, 0 to 255, behind.

    Such are Kaggle's ``train.csv`` of MNIST (label,pixel0,...,pixel783) and its ``fashion-mnist_train.csv``. A square
    number of pixels is an image 1 x H x H, read row by row; any other number stays a vector. Pixels are divided by 255,
    and K is the largest label plus one.

    Raises:
        InvalidInputError: a file that cannot be read, without the column "label" in front, without images, or with
            entries that are no whole numbers from 0 to 255.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            first, *others = file.readline().rstrip().split(",")
            if first.strip('"') != "label" or not others:
                raise ValueError(f"a header that begins with {first[:40]!r}")
            with warnings.catch_warnings(action="ignore"):  # of NumPy, that nothing follows
                table = np.loadtxt(file, dtype=np.uint8, delimiter=",", ndmin=2)
        if table.shape != (len(table), 1 + len(others)) or not len(table):
            raise ValueError(
                f"{len(table)} lines of {table.shape[1]} numbers below the {1 + len(others)} of the header"
            )
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{path}: expected a CSV file with the header label,pixel0,... and whole numbers from 0 to 255, but found: "
            f'{error}; check the path, or save the arrays "X" and "y" with numpy.savez'
        ) from None
    side = math.isqrt(len(others))
    shape = (1, side, side) if side * side == len(others) else (len(others),)
    labels = table[:, 0].astype(np.int64)
    return LabelledImages(pixels(table[:, 1:]).reshape(-1, *shape), labels, classes=int(labels.max()) + 1)
