"""Class-balanced subsets: sizes, order, disjointness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import LabelledImages, class_split


def numbered(labels: np.ndarray, classes: int) -> LabelledImages:
    """Images whose only pixel is their row."""
    return LabelledImages(np.arange(len(labels), dtype=float)[:, None], labels, classes)


@given(st.integers(2, 6), st.integers(0, 2**32), st.booleans())
def test_splits(classes: int, seed: int, drawn: bool):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), rng.integers(2, 9, classes)))
    source = numbered(labels, classes)
    per_class = int(rng.integers(1, min(source.class_counts) + 1))
    split = class_split(source, per_class, generator=rng if drawn else None)
    assert split.train.class_counts == (per_class,) * classes
    assert split.train.in_class_order
    rows = [part.images[:, 0].astype(int) for part in (split.train, split.test)]
    assert sorted(np.concatenate(rows)) == list(range(len(labels)))
    for part, row in zip((split.train, split.test), rows, strict=True):
        np.testing.assert_array_equal(part.labels, labels[row])
    if not drawn:
        for label in range(classes):
            np.testing.assert_array_equal(
                rows[0][split.train.labels == label], np.flatnonzero(labels == label)[:per_class]
            )


def test_a_generator_draws_other_images():
    source = numbered(np.repeat([0, 1], 50), 2)
    first, again, other = (
        class_split(source, 10, generator=np.random.default_rng(seed)).train.images for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_class_order():
    assert numbered(np.array([0, 0, 2]), 3).in_class_order
    assert not numbered(np.array([1, 0]), 2).in_class_order


@pytest.mark.parametrize(
    ("per_class", "message"),
    [
        (0, r"sizes: expected 1 to 3 for class 0, which has as many images, but found 0; change per_class"),
        (3, r"sizes: expected 1 to 2 for class 1, which has as many images, but found 3; change per_class"),
    ],
)
def test_bad_sizes(per_class: int, message: str):
    with pytest.raises(InvalidInputError, match=message):
        class_split(numbered(np.array([0, 0, 0, 1, 1]), 2), per_class)
