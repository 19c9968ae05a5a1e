"""NC3: self-duality of classifier and class means."""

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError

__all__ = ["nc3"]


def nc3(weight: Float[np.ndarray, "K d"], means: Float[np.ndarray, "classes width"]) -> float:
    """Distance of classifier and centred class means at equal norm, || W / ||W|| - M / ||M|| || (Frobenius).

    Zero exactly when the weight is a positive multiple of the means, 2 when a negative one; equals
    sqrt(2 - 2 cos(W, M)). Invariant under scaling either and under rotating both. O(K d).

    Args:
        weight: classifier rows, one per class. In a deep linear head: the product of the weights that follow the layer.
        means: centred class means of the features it is applied to.

    Raises:
        InvalidInputError: two shapes, or an entry that is not finite.
        UndefinedError: one of the two is zero.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 5.

    >>> nc3(2 * np.eye(3), np.eye(3)), nc3(-np.eye(3), np.eye(3)).__round__(12)
    (0.0, 2.0)
    """
    if weight.shape != means.shape or not (np.isfinite(weight).all() and np.isfinite(means).all()):
        raise InvalidInputError(
            f"nc3: expected weight and means of one shape K x d with finite entries, but found {weight.shape} and "
            f"{means.shape}; transpose, or remove NaN and infinities"
        )
    sizes = np.linalg.norm(weight), np.linalg.norm(means)
    if 0.0 in sizes:
        raise UndefinedError(
            "nc3: expected weight and means other than zero, but found zeros only; measure another layer"
        )
    return float(np.linalg.norm(weight / sizes[0] - means / sizes[1]))
