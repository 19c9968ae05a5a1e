"""Labelled images in memory, and class-balanced subsets of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError

__all__ = ["LabelledImages", "Split", "balanced_split"]


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """N images with their classes.

    Attributes:
        images: any number of dimensions behind the first.
        labels: whole numbers 0 .. classes - 1.
        classes: K.
    """

    images: Float[np.ndarray, "N *shape"]
    labels: Int[np.ndarray, " N"]
    classes: int

    @property
    def in_class_order(self) -> bool:
        """Whether the labels never decrease, as the feature model counts its samples."""
        return bool((np.diff(self.labels) >= 0).all())

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Images of each class."""
        return tuple(np.bincount(self.labels, minlength=self.classes).tolist())

    def take(self, rows: Int[np.ndarray, " n"]) -> "LabelledImages":
        """The images at these rows, in this order."""
        return LabelledImages(self.images[rows], self.labels[rows], self.classes)


@dataclass(frozen=True, slots=True)
class Split:
    """Training images, equally many per class and in class order, and all the others.

    Attributes:
        train: what is trained on.
        test: the held-out rest, in the order of the source; its classes need not be equally large.
    """

    train: LabelledImages
    test: LabelledImages


def balanced_split(source: LabelledImages, per_class: int, *, generator: np.random.Generator | None = None) -> Split:
    """The first n images of each class for training, or n drawn by a generator; the rest for testing.

    Raises:
        InvalidInputError: fewer than one per class, or more than the smallest class has.
    """
    smallest = min(source.class_counts)
    if not 1 <= per_class <= smallest:
        raise InvalidInputError(
            f"per_class: expected 1 to {smallest}, the size of the smallest class, but found {per_class}; lower it"
            if per_class > smallest
            else f"per_class: expected 1 to {smallest}, but found {per_class}; raise it"
        )
    chosen = []
    for label in range(source.classes):
        rows = np.flatnonzero(source.labels == label)
        chosen.append(np.sort(generator.permutation(rows)[:per_class]) if generator else rows[:per_class])
    rows = np.concatenate(chosen)
    return Split(source.take(rows), source.take(np.setdiff1d(np.arange(len(source.labels)), rows)))
