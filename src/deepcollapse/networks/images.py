"""Labelled images in memory."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

__all__ = ["LabelledImages", "Split"]


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
    """Training images in class order, and held-out ones.

    Attributes:
        train: what is trained on; equally many per class only where the subset was chosen so.
        test: never among the training images, in the order of their source; may be none.
    """

    train: LabelledImages
    test: LabelledImages
