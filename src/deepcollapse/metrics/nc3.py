"""NC3: self-duality of classifier and class means."""

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.linalg import numerical_rank
from deepcollapse.metrics.class_vectors import class_vectors, directions, unit_scaled
from deepcollapse.metrics.nc2 import simplex_distance

__all__ = ["nc3", "nc3_cosines", "nc3_etf", "subspace_residual"]


def nc3(weight: Shaped[np.ndarray, "..."], means: Shaped[np.ndarray, "..."]) -> float:
    """Distance of classifier and centred class means at equal norm, || W / ||W|| - M / ||M|| || (Frobenius).

    Zero exactly when the weight is a positive multiple of the means, 2 when a negative one; equals
    sqrt(2 - 2 cos(W, M)). Invariant under scaling either and under rotating both. O(K d).

    Args:
        weight: K x d, classifier rows, one per class. In a deep linear head: the product of the weights that follow
            the layer.
        means: K x d, centred class means of the features it is applied to.

    Raises:
        InvalidInputError: two shapes, not matrices, or an entry that is not finite.
        UndefinedError: one of the two is zero.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 5.

    >>> nc3(2 * np.eye(3), np.eye(3)), nc3(-np.eye(3), np.eye(3)).__round__(12)
    (0.0, 2.0)
    """
    weight, means = _pair("nc3", weight, means)
    return float(np.linalg.norm(weight / np.linalg.norm(weight) - means / np.linalg.norm(means)))


def nc3_etf(weight: Shaped[np.ndarray, "..."], means: Shaped[np.ndarray, "..."]) -> float:
    """Distance of W M^T from a simplex's Gram matrix, || W M^T / ||W M^T|| - S / sqrt(K - 1) || (Frobenius).

    S = I - 1 1^T / K. Zero exactly when the logits of the class means form a simplex, 2 when the negative of one: it
    asks for NC2 and self-duality on the span of the means, and does not see what the weight does outside it. Invariant
    under scaling either and under rotating both. O(K^2 d), and K x K memory.

    Args:
        weight: K x d, classifier rows.
        means: K x d, centred class means of the features it is applied to.

    Raises:
        InvalidInputError: two shapes, not matrices, fewer than two classes, or an entry that is not finite.
        UndefinedError: W M^T is zero.

    Source: Zhu et al. 2021 (arXiv 2105.02375).

    >>> nc3_etf(np.array([[1.0], [-1.0]]), np.array([[2.0], [-2.0]])).__round__(12)
    0.0
    """
    weight, means = _pair("nc3_etf", weight, means, least=2)
    logits = weight @ means.T
    if not logits.any():
        raise UndefinedError(
            "nc3_etf: expected W M^T other than zero, but found zeros only; the classifier does not see the class "
            "means, measure the layer it reads"
        )
    return simplex_distance(unit_scaled(logits))


def nc3_cosines(weight: Shaped[np.ndarray, "..."], means: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, " K"]:
    """Cosine of each class's classifier row with its centred mean, <w_k, mu_k> / (||w_k|| ||mu_k||).

    All one exactly when each row is a positive multiple of its mean, with any factors. Invariant under scaling single
    rows or means and under rotating both. O(K d).

    Args:
        weight: K x d, classifier rows.
        means: K x d, centred class means of the features it is applied to.

    Raises:
        InvalidInputError: two shapes, not matrices, or an entry that is not finite.
        UndefinedError: a row or a mean is zero; the message names the classes.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), class by class; averaged in Wu & Papyan 2024
    (arXiv 2405.17767), NC3.

    >>> nc3_cosines(np.eye(2), np.array([[5.0, 0.0], [1.0, -1.0]])).round(6)
    array([ 1.      , -0.707107])
    """
    weight, means = _pair("nc3_cosines", weight, means)
    cosines = (directions("weight", weight) * directions("means", means)).sum(axis=1)
    return np.clip(cosines, -1.0, 1.0)


def subspace_residual(
    weight: Shaped[np.ndarray, "..."],
    means: Shaped[np.ndarray, "..."],
    *,
    rtol: float = 1e-3,
    span: Float[np.ndarray, "r d"] | None = None,
) -> float:
    """Share of the weight outside the span of the means, ||W - W P|| / ||W|| (Frobenius), P the projector on the span.

    The span is that of the right singular vectors of the means whose singular values exceed ``rtol`` times the largest.
    Zero when every row of the weight is a combination of the class means, as in the third property of deep neural
    collapse, which holds for every weight matrix of a deep head; one when all rows are orthogonal to them. It asks less
    than ``nc3``. Invariant under scaling either, under mixing the rows of the weight orthogonally, and under rotating
    both; scaling single means can only change which directions count. O(K d min(K, d)).

    Args:
        weight: rows x d, of any number of rows: a classifier, or the weight of a hidden layer.
        means: K x d, class means of the features it is applied to: centred or not, which changes the span.
        rtol: share of the largest singular value up to which a direction of the means is noise.
        span: orthonormal rows that span the means (``BetweenClass.directions``), to spare their decomposition; then
            ``rtol`` is not used.

    Raises:
        InvalidInputError: two widths, not matrices, an entry that is not finite, or rtol outside [0, 1).
        UndefinedError: one of the two is zero.

    Source: DNC3 of Garrod & Keating (arXiv 2410.23169): the rows of a weight lie in the span of the class means of its
    input.

    >>> subspace_residual(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]]))
    0.8
    """
    if not 0.0 <= rtol < 1.0:
        raise InvalidInputError(f"rtol: expected a share from 0 to below 1, but found {rtol}; the default is 1e-3")
    weight, means = _pair("subspace_residual", weight, means, rows=False)
    if span is None:
        _, values, directions = np.linalg.svd(means, full_matrices=False)
        span = directions[: numerical_rank(values, rtol=max(rtol, max(means.shape) * np.finfo(float).eps))]
    if len(span) == means.shape[1]:
        return 0.0  # the means span everything
    outside = weight - (weight @ span.T) @ span
    return float(np.linalg.norm(outside) / np.linalg.norm(weight))


def _pair(
    name: str, weight: np.ndarray, means: np.ndarray, *, rows: bool = True, least: int = 1
) -> tuple[Float[np.ndarray, "rows d"], Float[np.ndarray, "K d"]]:
    """Both in float64 with their largest entries near one, which changes no metric of this file."""
    weight, means = (
        class_vectors(f"{name}: {part}", given, least=least) for part, given in (("weight", weight), ("means", means))
    )
    if weight.shape[rows ^ 1 :] != means.shape[rows ^ 1 :]:
        raise InvalidInputError(
            f"{name}: expected weight and means of one {'shape' if rows else 'width'}, but found {weight.shape} and "
            f"{means.shape}; transpose one, or take the classifier that reads these features"
        )
    if not (weight.any() and means.any()):
        raise UndefinedError(
            f"{name}: expected weight and means other than zero, but found zeros only; measure another layer"
        )
    return unit_scaled(weight), unit_scaled(means)
