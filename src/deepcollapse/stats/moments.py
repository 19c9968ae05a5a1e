"""Counts, class means and within-class scatter of labelled features: all that the collapse metrics need."""

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError

__all__ = ["Centre", "ClassMoments", "class_moments"]

Centre = Literal["class", "sample"]
"""Where class means are centred: at the mean of the K class means, or at the mean of all N samples."""

_BLOCK_ROWS = 4096  # rows widened to float64 at a time, so that memory does not grow with N


@dataclass(frozen=True, slots=True)
class ClassMoments:
    """Sufficient statistics of N labelled features of width d; a class may be empty as long as others are to be merged.

    Attributes:
        counts: samples n_k of each class.
        means: class means mu_k; zeros where a class is empty.
        scatter: sum_i (x_i - mu_{y_i}) (x_i - mu_{y_i})^T, divided by nothing; exactly zero on collapsed features.
        resolution: largest |x_ij| times the rounding unit of the features' own dtype: differences between class means
            of this size are noise of the input, in whatever precision they are computed.
    """

    counts: Int[np.ndarray, " K"]
    means: Float[np.ndarray, "K d"]
    scatter: Float[np.ndarray, "d d"]
    resolution: float

    @property
    def classes(self) -> int:
        """Number K of classes."""
        return self.counts.size

    @property
    def width(self) -> int:
        """Width d of the features."""
        return self.means.shape[1]

    @property
    def total(self) -> int:
        """Number N of samples."""
        return int(self.counts.sum())

    @property
    def within(self) -> Float[np.ndarray, "d d"]:
        """Within-class covariance Sigma_W = scatter / N."""
        return self.scatter / self.total

    @property
    def noise(self) -> float:
        """sqrt(d) times the resolution: length below which a centred class mean is rounding of the input."""
        return float(np.sqrt(self.width)) * self.resolution

    def merge(self, other: "ClassMoments") -> "ClassMoments":
        """Moments of both sets of samples together, in any order up to rounding.

        mu = mu_a + (n_b / n) (mu_b - mu_a), scatter = S_a + S_b + sum_k (n_a n_b / n) (mu_b - mu_a)(mu_b - mu_a)^T.
        Only differences of means are squared: an offset common to all features costs no digits. O(K d^2).

        Raises:
            InvalidInputError: other numbers of classes or another width.

        Source: Chan, Golub & LeVeque 1979, Eq. 2.1, summed over classes.
        """
        if self.means.shape != other.means.shape:
            raise InvalidInputError(
                f"merge: expected {self.classes} classes of width {self.width}, but found {other.classes} of width "
                f"{other.width}; take both from the same layer and label set"
            )
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        step = other.means - self.means
        between = (step * (self.counts * share)[:, None]).T @ step
        return ClassMoments(
            counts=counts,
            means=self.means + step * share[:, None],
            scatter=self.scatter + other.scatter + between,
            resolution=max(self.resolution, other.resolution),
        )

    def centred_means(self, centre: Centre = "class") -> Float[np.ndarray, "K d"]:
        """Class means minus their centre; rows no longer than ``noise`` are exactly zero.

        Args:
            centre: "class" for sum_k mu_k / K, "sample" for sum_k n_k mu_k / N; the same for equally large classes.

        Raises:
            InvalidInputError: a class without samples.
            UndefinedError: all class means are equal, so that nothing can be compared with the spread between them.
        """
        self._expect_samples_everywhere()
        weights = self.counts / self.total if centre == "sample" else np.full(self.classes, 1.0 / self.classes)
        anchored = self.means - self.means[0]
        centred = anchored - weights @ anchored
        centred[np.linalg.norm(centred, axis=1) <= self.noise] = 0.0
        if not centred.any():
            raise UndefinedError(
                f"class means: expected at least two that differ, but found {self.classes} equal ones (to within "
                f"{self.noise:.3g}); the layer does not tell the classes apart, measure another one"
            )
        return centred

    def _expect_samples_everywhere(self) -> None:
        empty = np.flatnonzero(self.counts == 0)
        if empty.size:
            raise InvalidInputError(
                f"classes: expected samples of all {self.classes}, but found none of {empty.tolist()}; "
                "merge further batches or relabel"
            )


def class_moments(
    features: Float[np.ndarray, "N d"], labels: Shaped[np.ndarray, " labels"], *, classes: int
) -> ClassMoments:
    """Moments of the features of each class, in float64 whatever the dtype of the features.

    Two passes over blocks of rows: distances to the first sample of the class, then to their mean; blocks are merged.
    O(N d^2) operations, O(K d + d^2) memory beside the features.

    Args:
        features: one row per sample.
        labels: whole numbers 0 .. classes - 1, in any order.
        classes: K >= 2.

    Raises:
        InvalidInputError: no samples, fewer than two classes, labels out of range or not whole, features that are not
            finite or whose squares overflow.

    >>> moments = class_moments(np.array([[0.0], [2.0], [7.0]]), np.array([0, 0, 1]), classes=2)
    >>> moments.means.ravel(), moments.scatter.item()
    (array([1., 7.]), 2.0)
    """
    _expect_labels(features, labels, classes)
    starts = range(0, len(labels), _BLOCK_ROWS)
    blocks = (
        _of_block(features[i : i + _BLOCK_ROWS], labels[i : i + _BLOCK_ROWS], start=i, classes=classes) for i in starts
    )
    moments = reduce(ClassMoments.merge, blocks)
    if not np.isfinite(moments.scatter).all():
        raise InvalidInputError(
            f"features: expected squares within float64, but found entries up to {np.abs(features).max():.3g}; "
            "rescale them"
        )
    return moments


def _of_block(features: np.ndarray, labels: np.ndarray, *, start: int, classes: int) -> ClassMoments:
    counts = np.bincount(labels, minlength=classes)
    present = np.flatnonzero(counts)
    rows = features[np.argsort(labels, kind="stable")].astype(np.float64)
    _expect_finite(features, start)
    firsts = np.cumsum(counts[present]) - counts[present]
    groups = np.repeat(np.arange(present.size), counts[present])
    resolution = float(np.abs(rows).max(initial=0.0) * np.finfo(features.dtype).eps)
    anchors = rows[firsts]
    rows -= anchors[groups]
    shifts = np.add.reduceat(rows, firsts, axis=0) / counts[present, None]
    rows -= shifts[groups]
    means = np.zeros((classes, features.shape[1]))
    means[present] = anchors + shifts
    with np.errstate(over="ignore", invalid="ignore"):
        return ClassMoments(counts, means, rows.T @ rows, resolution)


def _expect_labels(features: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if classes < 2:
        raise InvalidInputError(
            f"classes: expected at least 2, but found {classes}; one class has nothing to compare with"
        )
    if len(labels) != len(features) or not len(labels):
        raise InvalidInputError(
            f"labels: expected one per sample and at least one, but found {len(labels)} labels and {len(features)} "
            "samples; pass both in the same order"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidInputError(f"labels: expected whole numbers, but found {labels.dtype}; cast them to int64")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InvalidInputError(
            f"labels: expected 0 to {classes - 1}, but found {low} to {high}; relabel, or raise the number of classes"
        )


def _expect_finite(features: np.ndarray, start: int) -> None:
    bad = np.argwhere(~np.isfinite(features))
    if bad.size:
        row, column = bad[0]
        raise InvalidInputError(
            f"features: expected finite entries, but found {features[row, column]} at "
            f"{(int(start + row), int(column))}, the first of at least {len(bad)}; remove those samples"
        )
