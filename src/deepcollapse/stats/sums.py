"""Sums of labelled features around one sample of each class, from which the class moments follow."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped
from scipy.sparse import csc_array

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.moments import ClassMoments
from deepcollapse.stats.samples import (
    expect_classes,
    expect_labels_in_range,
    expect_numbers,
    expect_shapes,
    expect_squares,
    not_finite,
)

__all__ = ["AnchoredSums", "LabelledSums", "class_moments"]

_BLOCK_ROWS = 512  # rows widened at a time, while the cache holds them
_BLOCKS = 8  # of them in one d x d product, which takes its time to get going
_BLOCK_ENTRIES = 2**18  # 2 MiB in float64


@runtime_checkable
class LabelledSums(Protocol):
    """Takes samples block by block; there is one kind for NumPy and one for the devices of torch."""

    def add(self, rows: Any, labels: Any, *, eps: float, start: int) -> None:
        """Take samples: rows N x d, labels within the classes, rounding unit of the rows, index of the first row."""
        ...

    def moments(self) -> ClassMoments:
        """Moments of all samples so far."""
        ...


@dataclass(slots=True)
class AnchoredSums:
    """Sums over x_i - a_k, where the anchor a_k is the first sample of class k; all in float64.

    With t_k = sum_i (x_i - a_k) and Q = sum_i (x_i - a_k)(x_i - a_k)^T over all classes, mu_k = a_k + t_k / n_k and
    scatter = Q - sum_k t_k t_k^T / n_k. An offset of the features does not enter, and exactly collapsed features leave
    exact zeros. The subtraction costs few digits: the anchor is one of the samples, so in every direction Q is at most
    1 + n_k times the scatter of the class, and about twice where the anchor is an ordinary sample.

    Attributes:
        classes: K.
        width: d.
        scatter: False to leave Q out.
    """

    classes: int
    width: int
    scatter: bool = True
    _counts: np.ndarray = field(init=False)
    _anchors: np.ndarray = field(init=False)
    _sums: np.ndarray = field(init=False)
    _squares: np.ndarray = field(init=False)
    _products: np.ndarray | None = field(init=False)  # Q
    _largest: float = field(init=False, default=0.0)
    _resolution: float = field(init=False, default=0.0)
    _rest: np.ndarray = field(init=False)
    _anchor_rows: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._counts = np.zeros(self.classes, dtype=np.int64)
        self._anchors, self._sums = np.zeros((2, self.classes, self.width))
        self._squares = np.zeros(self.classes)
        self._products = np.zeros((self.width, self.width)) if self.scatter else None
        rows = _block_rows(self.width)
        self._anchor_rows, self._rest = np.empty((rows, self.width)), np.empty((_BLOCKS * rows, self.width))

    def add(self, rows: np.ndarray, labels: np.ndarray, *, eps: float, start: int = 0) -> None:
        """Take samples, of which only a few blocks at a time are read and widened."""
        size, together = len(self._anchor_rows), len(self._rest)
        for first in range(0, len(rows), together):
            last = min(first + together, len(rows))
            for begin in range(first, last, size):
                block = slice(begin, min(begin + size, last))
                rest = self._rest[begin - first : block.stop - first]
                self._widen(rows[block], labels[block].astype(np.intp), rest=rest, eps=eps, start=start + begin)
            if self._products is not None:
                rest = self._rest[: last - first]
                with np.errstate(over="ignore", invalid="ignore"):  # ``moments`` says what overflowed
                    self._products += rest.T @ rest  # NumPy sees that both are one array, and does half of the work

    def moments(self) -> ClassMoments:
        """Moments of all samples so far; O(K d^2), so worth doing rarely."""
        with np.errstate(over="ignore", invalid="ignore"):
            shifts = self._sums / np.maximum(self._counts, 1)[:, None]
            spreads = np.maximum(self._squares - self._counts * np.vecdot(shifts, shifts), 0.0)
            expect_squares(self._largest, spreads)
        scatter = None
        if self._products is not None:
            weighted = shifts * np.sqrt(self._counts)[:, None]
            scatter = self._products - weighted.T @ weighted
        return ClassMoments(self._counts.copy(), self._anchors + shifts, scatter, self._resolution, spreads)

    def _widen(self, rows: np.ndarray, labels: np.ndarray, *, rest: np.ndarray, eps: float, start: int) -> None:
        """Put x_i - a_k of one block into ``rest``, and add to all sums but the products."""
        largest = max(float(rows.max()), -float(rows.min()))
        if not np.isfinite(largest):
            raise _first_not_finite(rows, start)
        self._largest = max(self._largest, largest)
        self._resolution = max(self._resolution, largest * eps)
        self._anchor(rows, labels)
        rest[...] = rows
        with np.errstate(over="ignore", invalid="ignore"):
            rest -= np.take(self._anchors, labels, axis=0, out=self._anchor_rows[: len(rows)], mode="clip")
            members = csc_array(
                (np.ones(len(labels)), labels, np.arange(len(labels) + 1)), shape=(self.classes, len(labels))
            )
            self._sums += members @ rest
            self._squares += np.bincount(labels, weights=np.vecdot(rest, rest), minlength=self.classes)
        self._counts += np.bincount(labels, minlength=self.classes)

    def _anchor(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """The first sample of each class that is new in this block."""
        fresh = np.flatnonzero(self._counts[labels] == 0)
        if fresh.size:
            new, first = np.unique(labels[fresh], return_index=True)
            self._anchors[new] = rows[fresh[first]]


def class_moments(
    features: Shaped[np.ndarray, "..."], labels: Shaped[np.ndarray, "..."], *, classes: int, scatter: bool = True
) -> ClassMoments:
    """Moments of the features of each class, in float64 whatever the dtype of the features.

    One pass over blocks of rows, so that the features may be memory-mapped; see ``AnchoredSums`` for how it stays
    accurate. O(N d^2) operations, O(K d + d^2) memory beside the features.

    Args:
        features: one row per sample, N x d, of any floating-point dtype.
        labels: whole numbers 0 .. classes - 1, in any order.
        classes: K >= 2.
        scatter: False for traces only, in O(N d) operations and O(K d) memory.

    Raises:
        InvalidInputError: no samples, fewer than two classes, labels out of range or not whole, features of another
            shape or dtype, not finite, or whose squares overflow or vanish.

    >>> moments = class_moments(np.array([[0.0], [2.0], [7.0]]), np.array([0, 0, 1]), classes=2)
    >>> moments.means.ravel(), moments.scatter.item(), moments.spreads
    (array([1., 7.]), 2.0, array([2., 0.]))
    """
    expect_classes(classes)
    for name, given in (("features", features), ("labels", labels)):
        if not isinstance(given, np.ndarray):
            raise InvalidInputError(
                f"{name}: expected a NumPy array, but found {type(given).__name__}; convert with np.asarray, or add "
                "tensors to a MomentStream"
            )
    expect_shapes(features, labels)
    expect_numbers(features, labels)
    if not len(labels):
        raise InvalidInputError("features: expected at least one sample, but found none; pass those of the layer")
    expect_labels_in_range(int(labels.min()), int(labels.max()), classes=classes)
    sums = AnchoredSums(classes, features.shape[1], scatter=scatter)
    sums.add(features, labels, eps=float(np.finfo(features.dtype).eps))
    return sums.moments()


def _block_rows(width: int) -> int:
    return max(1, min(_BLOCK_ROWS, _BLOCK_ENTRIES // width))


def _first_not_finite(rows: np.ndarray, start: int) -> InvalidInputError:
    bad = np.argwhere(~np.isfinite(rows))
    row, column = (int(index) for index in bad[0])
    return not_finite(
        float(rows[row, column]), where=(start + row, column), count=len(bad), half=rows.dtype == np.float16
    )
