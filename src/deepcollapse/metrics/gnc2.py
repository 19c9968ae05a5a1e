"""Generalised NC2: how unevenly directions are spread over the sphere, for any number of classes."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.class_vectors import direction_squares

__all__ = ["generalised_nc2"]

_ROUNDING = 1e-12  # of a mean of logarithms of distances between unit vectors, which is of order one


def generalised_nc2(
    vectors: Shaped[np.ndarray, "..."],
    *,
    kernel: Literal["log", "distance"] = "log",
    squares: Float[np.ndarray, " pairs"] | None = None,
) -> float:
    """Coefficient of variation over pairs k < l of a kernel of the distance of u_k = v_k / ||v_k|| and u_l.

    Kernel "distance" is ||u_k - u_l||, "log" is log(1 / ||u_k - u_l||). The value is the standard deviation over the
    K (K - 1) / 2 pairs (ddof = 1) divided by the absolute value of the mean, which for "log" is negative on a simplex.
    Zero exactly when all distances are equal: for a simplex, and for an orthogonal frame, too. More than d + 1 vectors
    cannot be that even; then compare with the value of evenly spread points. Invariant under rotations and scaling of
    single vectors. O(K^2 d), K x K memory.

    Args:
        vectors: K x d, one row per class: centred class means (``ClassMoments.centred_means``), or classifier rows.
        kernel: "log" or "distance".
        squares: ``direction_squares`` of the same vectors, to compute these once for both kernels.

    Raises:
        InvalidInputError: not a finite matrix with two rows, or an unknown kernel.
        UndefinedError: a vector is zero; there is one pair only; two directions coincide ("log" is infinite); or the
            mean kernel is zero, that is the geometric mean of the distances is one.

    Source: Wu & Papyan 2024 (arXiv 2405.17767), GNC2; Liu et al. 2023 (arXiv 2303.06484).

    >>> generalised_nc2(np.eye(4)), generalised_nc2(np.eye(3), kernel="distance")
    (0.0, 0.0)
    """
    if kernel not in ("log", "distance"):
        raise InvalidInputError(f'kernel: expected "log" or "distance", but found {kernel!r}; choose one of the two')
    squares = direction_squares(vectors) if squares is None else squares
    if squares.size < 2:
        raise UndefinedError(
            "vectors: expected at least 3, but found 2; one pair does not vary, use more classes or equiangularity"
        )
    values = np.sqrt(squares) if kernel == "distance" else -0.5 * _logarithms(squares)
    mean = abs(float(values.mean()))
    if mean <= (_ROUNDING if kernel == "log" else 0.0):
        raise UndefinedError(
            f"vectors: expected a mean kernel that is not zero, but found {mean:.3g}; take the other kernel"
        )
    return float(np.std(values, ddof=1) / mean)


def _logarithms(squares: np.ndarray) -> np.ndarray:
    same = int((squares == 0).sum())
    if same:
        raise UndefinedError(
            f'vectors: expected directions that differ, but found {same} pairs that coincide; take kernel="distance"'
        )
    return np.log(squares)
