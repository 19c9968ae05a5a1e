"""NC5: orthogonality of the class means to the mean of out-of-distribution features."""

import numpy as np
from jaxtyping import Shaped

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics.class_vectors import class_vectors, directions

__all__ = ["nc5"]


def nc5(means: Shaped[np.ndarray, "..."], outlier_mean: Shaped[np.ndarray, "..."]) -> float:
    """Mean over classes of |cos(mu_k, mu_out)|.

    Nothing is centred here: the source takes the class means mu_k and the mean mu_out of all out-of-distribution
    features as they are (``ClassMoments.means``), and that is what to pass for its number. With the mean
    of the training features subtracted from all K + 1 vectors the value is another one. Zero exactly when the outliers'
    mean is orthogonal to all class means; at most one. Invariant under rotations and scaling of single vectors, not
    under shifts. O(K d).

    Args:
        means: K x d, one row per class.
        outlier_mean: d, of the same layer's features on data of no class.

    Raises:
        InvalidInputError: not a finite matrix and a finite vector of one width.
        UndefinedError: a mean is zero, so that it has no angle.

    Source: Ben Ammar et al. 2024, NECO (arXiv 2310.06823), NC5.

    >>> nc5(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 2.0])).__round__(6)
    0.353553
    """
    means = class_vectors("means", means, least=1)
    if outlier_mean.shape != means.shape[1:]:
        raise InvalidInputError(
            f"outlier_mean: expected a vector of the means' width {means.shape[1]}, but found shape "
            f"{outlier_mean.shape}; take the mean of one layer's features"
        )
    outlier = class_vectors("outlier_mean", outlier_mean[None], least=1)
    return float(np.abs(directions("means", means) @ directions("outlier_mean", outlier)[0]).mean())
