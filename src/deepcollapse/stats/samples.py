"""What labelled features must look like before anything is summed."""

from typing import Any

import numpy as np

from deepcollapse.errors import InvalidInputError

__all__ = [
    "expect_classes",
    "expect_labels_in_range",
    "expect_numbers",
    "expect_shapes",
    "expect_squares",
    "not_finite",
]

_SMALLEST, _LARGEST = 1e-130, 1e150  # a relative rounding of 1e-16 squared is 1e-292; 1e8 entries squared are 1e308


def expect_classes(classes: int) -> None:
    """At least two classes."""
    if classes < 2:
        raise InvalidInputError(
            f"classes: expected at least 2, but found {classes}; one class has nothing to compare with"
        )


def expect_shapes(features: Any, labels: Any) -> None:
    """A row of features and a label for each sample; arrays and tensors alike."""
    if features.ndim != 2 or not features.shape[1]:
        raise InvalidInputError(
            f"features: expected one row per sample, N x d, but found shape {tuple(features.shape)}; flatten or pool "
            "them"
        )
    if labels.ndim != 1 or len(labels) != len(features):
        raise InvalidInputError(
            f"labels: expected one number per sample, but found shape {tuple(labels.shape)} for {len(features)} "
            "samples; pass class indices, in the order of the features"
        )


def expect_labels_in_range(low: int, high: int, *, classes: int) -> None:
    """Smallest and largest label within 0 .. classes - 1."""
    if low < 0 or high >= classes:
        raise InvalidInputError(
            f"labels: expected 0 to {classes - 1}, but found {low} to {high}; relabel, or raise the number of classes"
        )


def expect_numbers(features: np.ndarray, labels: np.ndarray) -> None:
    """Features of a floating-point dtype that float64 holds, and labels of an integer one."""
    if features.dtype.kind != "f" or features.dtype.itemsize > 8:
        raise InvalidInputError(
            f"features: expected floating-point numbers, but found {features.dtype}; cast them to float32 or float64"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InvalidInputError(f"labels: expected whole numbers, but found {labels.dtype}; cast them to int64")


def not_finite(value: float, *, where: tuple[int, int], count: int, half: bool) -> InvalidInputError:
    """The error for features that are infinite or NaN.

    Args:
        value: the first such entry.
        where: its row and column.
        count: how many were seen so far.
        half: whether it is an infinity of float16, whose largest number is 65504.
    """
    remedy = (
        "float16 overflows beyond 65504, compute the features in float32"
        if half and np.isinf(value)
        else "remove those samples"
    )
    return InvalidInputError(
        f"features: expected finite entries, but found {value} at {where}, the first of at least {count}; {remedy}"
    )


def expect_squares(largest: float, spreads: np.ndarray) -> None:
    """Squares of the features, summed or of their rounding, neither overflow nor vanish."""
    if not np.isfinite(spreads).all() or (largest and not _SMALLEST <= largest <= _LARGEST):
        raise InvalidInputError(
            f"features: expected squares within float64, but found entries up to {largest:.3g}; rescale them"
        )
