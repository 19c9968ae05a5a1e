"""Scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels that come with the library."""

import numpy as np

from deepcollapse.networks.images import LabelledImages
from deepcollapse.optional import optional_module

__all__ = ["digits"]

_INK = 16.0  # largest pixel value


def digits() -> LabelledImages:
    """All 1,797 digits as rows of 64 pixels in [0, 1] (the stored whole numbers 0 to 16, divided by 16); not centred.

    174 to 183 images per class. Source: the test part of the UCI set of Alpaydin & Kaynak 1998, as in scikit-learn.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    datasets = optional_module("sklearn.datasets", extra="digits")
    pixels, labels = datasets.load_digits(return_X_y=True)
    return LabelledImages((pixels / _INK).astype(np.float32), labels.astype(np.int64), classes=10)
