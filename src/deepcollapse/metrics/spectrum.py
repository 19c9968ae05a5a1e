"""Singular values of a matrix, and what they say about its rank."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.class_vectors import class_vectors

__all__ = ["Spectrum", "schatten", "spectrum", "spectrum_of"]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Singular values s_1 >= s_2 >= ... of a matrix that is not zero, and three ranks.

    Attributes:
        singular_values: all min(rows, columns), non-increasing, in the unit of the entries.
        rank: how many exceed the tolerance.
        tolerance: singular values up to here count as zero.
        stable_rank: sum_i s_i^2 / s_1^2, from 1 to the number of singular values; no tolerance.
        effective_rank: exp(-sum_i p_i log p_i) with p_i = s_i / sum_j s_j, over the same range; no tolerance.
    """

    singular_values: Float[np.ndarray, " r"]
    rank: int
    tolerance: float
    stable_rank: float
    effective_rank: float


def spectrum(matrix: Shaped[np.ndarray, "..."], *, rtol: float = 1e-3, atol: float = 0.0) -> Spectrum:
    """Singular values, numerical rank, stable rank and effective rank.

    The ranks are invariant under rotations of rows and columns and, with ``atol`` = 0, under scaling.
    O(rows columns min(rows, columns)).

    Args:
        matrix: rows x columns, for example centred class means, or class-mean logits.
        rtol: share of the largest singular value and
        atol: absolute size up to which a singular value does not count; the larger of the two decides.

    Raises:
        InvalidInputError: not a finite matrix, or a negative tolerance.
        UndefinedError: the matrix is zero: stable and effective rank divide by its norm.

    Source: stable rank: Rudelson & Vershynin 2007; effective rank: Roy & Vetterli 2007.

    >>> found = spectrum(np.diag([2.0, 2.0, 1e-9]))
    >>> found.rank, round(found.stable_rank, 6), round(found.effective_rank, 6)
    (2, 2.0, 2.0)
    """
    matrix = class_vectors("matrix", matrix, least=1)
    if not (rtol >= 0 and atol >= 0):
        raise InvalidInputError(
            f"rtol and atol: expected tolerances from 0 on, but found {rtol} and {atol}; the defaults are 1e-3 and 0"
        )
    if not matrix.any():
        raise UndefinedError(
            f"matrix: expected an entry that is not zero, but found a zero matrix of shape {matrix.shape}; it has no "
            "stable and no effective rank, measure another layer"
        )
    return spectrum_of(np.linalg.svd(matrix, compute_uv=False), rtol=rtol, atol=atol)


def spectrum_of(values: Float[np.ndarray, " r"], *, rtol: float, atol: float) -> Spectrum:
    """``spectrum`` of a matrix whose singular values are known, non-increasing, the first above zero."""
    shares = values / values[0]
    tolerance = max(rtol * float(values[0]), atol)
    mass = shares[shares > 0] / shares.sum()
    return Spectrum(
        singular_values=values,
        rank=int((values > tolerance).sum()),
        tolerance=tolerance,
        stable_rank=float(np.square(shares).sum()),
        effective_rank=float(np.exp(-(mass * np.log(mass)).sum())),
    )


def schatten(singular_values: Shaped[np.ndarray, "..."], *, p: float, atol: float = 0.0) -> float:
    """Schatten (quasi-)norm (sum_i s_i^p)^(1/p): nuclear for p = 1, Frobenius for p = 2, spectral for p = inf.

    A norm for p >= 1; for p < 1 a quasi-norm, ||A + B|| <= 2^(1/p - 1) (||A|| + ||B||). The penalty of a deep linear
    head with M factors is p = 2 / M. Zero exactly for the zero matrix; homogeneous. Small p weighs rounding as heavily
    as signal (1e-16 to the power 0.1 is 0.025): pass ``Spectrum.tolerance`` as ``atol``. O(r).

    Args:
        singular_values: non-negative, in any order.
        p: above 0, up to inf.
        atol: singular values up to here count as zero.

    Raises:
        InvalidInputError: p or atol out of range, singular values that are negative, not finite or no vector, or a
            value beyond float64, as r^(1/p) is for very small p.

    Source: arXiv 2410.23169, where p = 2 / M is the penalty of M balanced factors.

    >>> schatten(np.array([3.0, 4.0]), p=2), schatten(np.array([1.0, 4.0, 1e-12]), p=0.5, atol=1e-10)
    (5.0, 9.0)
    """
    if not (p > 0 and atol >= 0):
        raise InvalidInputError(f"p and atol: expected p > 0 and atol >= 0, but found {p} and {atol}; p = 1 is nuclear")
    given = np.asarray(singular_values)
    if given.ndim != 1 or given.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"singular_values: expected a vector of numbers, but found {given.dtype} of shape {given.shape}; take them "
            "from a singular value decomposition"
        )
    values = given.astype(np.float64)
    others = int((~(np.isfinite(values) & (values >= 0))).sum())
    if others:
        raise InvalidInputError(
            f"singular_values: expected finite numbers from 0 on, but found {others} others; take them from a singular "
            "value decomposition"
        )
    values = values[values > atol]
    if not values.size:
        return 0.0
    largest = float(values.max())
    if math.isinf(p):
        return largest
    excess = math.log(float(((values / largest) ** p).sum())) / p
    if (size := excess + math.log(largest)) >= math.log(np.finfo(float).max):
        raise InvalidInputError(f"p: expected a value within float64, but found exp({size:.6g}) at p = {p}; raise p")
    return math.exp(size) if excess > 700 else largest * math.exp(excess)
