"""NC2: how far K centred vectors (class means, or rows of a classifier) are from a simplex equiangular tight frame."""

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import UndefinedError
from deepcollapse.metrics.class_vectors import above_diagonal, class_vectors, directions, unit_scaled

__all__ = ["equiangularity", "equinorm", "etf_error", "simplex_distance"]


def equinorm(vectors: Shaped[np.ndarray, "..."]) -> float:
    """Coefficient of variation of the norms ||v_k||: standard deviation (ddof = 1) over mean.

    Zero exactly when all norms are equal; invariant under rotations and scaling. O(K d).

    Args:
        vectors: K x d, one row per class: centred class means (``ClassMoments.centred_means``), or classifier rows.

    Raises:
        InvalidInputError: not a matrix, fewer than two vectors, or an entry that is not finite.
        UndefinedError: all vectors are zero.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 2.

    >>> equinorm(np.array([[3.0, 0.0], [0.0, 1.0]])).__round__(6)
    0.707107
    """
    norms = np.linalg.norm(_scaled(vectors), axis=1)
    return float(np.std(norms, ddof=1) / norms.mean())


def equiangularity(vectors: Shaped[np.ndarray, "..."]) -> float:
    """Mean over all pairs of |cos(v_k, v_l) + 1 / (K - 1)|, the distance of the angles from those of a simplex.

    Zero exactly for a simplex up to the vectors' lengths; invariant under rotations and scaling of single vectors.
    O(K^2 d), and K x K memory.

    Args:
        vectors: K x d, one row per class: centred class means (``ClassMoments.centred_means``), or classifier rows.

    Raises:
        InvalidInputError: not a matrix, fewer than two vectors, or an entry that is not finite.
        UndefinedError: a vector is zero, so that it has no angle.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 4.

    >>> equiangularity(np.eye(2)), equiangularity(np.array([[1.0], [-2.0]]))
    (1.0, 0.0)
    """
    units = directions("vectors", class_vectors("vectors", vectors))
    cosines = above_diagonal(units @ units.T)
    return float(np.abs(cosines + 1.0 / (len(units) - 1)).mean())


def etf_error(vectors: Shaped[np.ndarray, "..."]) -> float:
    """Distance of the Gram matrix G_kl = <v_k, v_l> from a simplex's, || G / ||G|| - S / sqrt(K - 1) || (Frobenius).

    S = I - 1 1^T / K, whose norm is sqrt(K - 1). Zero exactly for a simplex, norms and angles alike; at most
    sqrt(2), since G is positive semi-definite. Invariant under rotations and scaling of all vectors together.
    O(K^2 d), and K x K memory.

    Args:
        vectors: K x d, one row per class: centred class means (``ClassMoments.centred_means``), or classifier rows.

    Raises:
        InvalidInputError: not a matrix, fewer than two vectors, or an entry that is not finite.
        UndefinedError: all vectors are zero.

    Source: Zhu et al. 2021 (arXiv 2105.02375), there for the classifier.

    >>> etf_error(np.array([[3.0], [-3.0]])).__round__(12), etf_error(np.eye(3)).__round__(6)
    (0.0, 0.605811)
    """
    scaled = _scaled(vectors)
    return simplex_distance(scaled @ scaled.T)


def simplex_distance(matrix: Float[np.ndarray, "K K"]) -> float:
    """|| A / ||A|| - S / sqrt(K - 1) || (Frobenius) with S = I - 1 1^T / K, for a matrix A that is not zero."""
    classes = len(matrix)
    apart = matrix / np.linalg.norm(matrix) + 1.0 / (classes * np.sqrt(classes - 1))
    apart[np.diag_indices(classes)] -= 1.0 / np.sqrt(classes - 1)
    return float(np.linalg.norm(apart))


def _scaled(vectors: np.ndarray) -> Float[np.ndarray, "K d"]:
    scaled = unit_scaled(class_vectors("vectors", vectors))
    if not scaled.any():
        raise UndefinedError(
            f"vectors: expected one that is not zero, but found {len(scaled)} zeros; measure another layer"
        )
    return scaled
