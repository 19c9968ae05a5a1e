"""NC2: how far K centred vectors (class means, or rows of a classifier) are from a simplex equiangular tight frame."""

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError

__all__ = ["equiangularity", "equinorm"]


def equinorm(vectors: Float[np.ndarray, "K d"]) -> float:
    """Coefficient of variation of the norms ||v_k||: standard deviation (ddof = 1) over mean.

    Zero exactly when all norms are equal; invariant under rotations and scaling. O(K d).

    Args:
        vectors: centred class means (``ClassMoments.centred_means``), or classifier rows.

    Raises:
        InvalidInputError: fewer than two vectors, or an entry that is not finite.
        UndefinedError: all vectors are zero.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 2.

    >>> equinorm(np.array([[3.0, 0.0], [0.0, 1.0]])).__round__(6)
    0.707107
    """
    norms = _norms(vectors)
    if not norms.any():
        raise UndefinedError(
            f"vectors: expected one that is not zero, but found {len(norms)} zeros; measure another layer"
        )
    return float(np.std(norms, ddof=1) / norms.mean())


def equiangularity(vectors: Float[np.ndarray, "K d"]) -> float:
    """Mean over all pairs of |cos(v_k, v_l) + 1 / (K - 1)|, the distance of the angles from those of a simplex.

    Zero exactly for a simplex up to the vectors' lengths; invariant under rotations and scaling of single vectors.
    O(K^2 d), and K x K memory.

    Args:
        vectors: centred class means (``ClassMoments.centred_means``), or classifier rows.

    Raises:
        InvalidInputError: fewer than two vectors, or an entry that is not finite.
        UndefinedError: a vector is zero, so that it has no angle.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 4.

    >>> equiangularity(np.eye(2)), equiangularity(np.array([[1.0], [-2.0]]))
    (1.0, 0.0)
    """
    norms = _norms(vectors)
    zeros = np.flatnonzero(norms == 0)
    if zeros.size:
        raise UndefinedError(
            f"vectors: expected none to be zero, but found {zeros.tolist()} of {len(norms)}; a zero vector has no "
            "angle, leave these classes out"
        )
    directions = vectors / norms[:, None]
    cosines = (directions @ directions.T)[np.triu_indices(len(norms), k=1)]
    return float(np.abs(cosines + 1.0 / (len(norms) - 1)).mean())


def _norms(vectors: np.ndarray) -> Float[np.ndarray, " K"]:
    if len(vectors) < 2 or not np.isfinite(vectors).all():
        raise InvalidInputError(
            f"vectors: expected at least 2 with finite entries, but found {len(vectors)} with "
            f"{int((~np.isfinite(vectors)).sum())} entries that are not; pass one per class"
        )
    return np.linalg.norm(vectors, axis=1)
