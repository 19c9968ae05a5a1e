"""The digits data set and the message when it is not there."""

import sys

import numpy as np
import pytest

from deepcollapse.errors import MissingExtraError
from deepcollapse.networks import class_split, digits


def test_pixels_and_classes():
    found = digits()
    assert found.images.shape == (1797, 64)
    assert (found.images.min(), found.images.max(), found.images.dtype) == (0.0, 1.0, np.float32)
    np.testing.assert_array_equal(16 * found.images, np.round(16 * found.images))
    assert (found.classes, sum(found.class_counts), min(found.class_counts)) == (10, 1797, 174)


def test_the_largest_balanced_subset():
    split = class_split(digits(), 174)
    assert (len(split.train.labels), len(split.test.labels)) == (1740, 57)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"run: python -m pip install .*\[digits\]") as caught:
        digits()
    assert isinstance(caught.value, ImportError)
