"""The directions in which class means differ, with the variance along each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.stats import Centre, ClassMoments

__all__ = ["BetweenClass", "between_class"]


@dataclass(frozen=True, slots=True)
class BetweenClass:
    """Eigenvectors and eigenvalues of Sigma_B = (1/K) sum_k (mu_k - mu)(mu_k - mu)^T that are not zero.

    Attributes:
        directions: orthonormal, one row per direction.
        variances: the eigenvalues, non-increasing.
        tolerance: standard deviations (roots of eigenvalues) up to here count as zero.
        deviations: all of these, non-increasing; those beyond the rank are noise.
    """

    directions: Float[np.ndarray, "r d"]
    variances: Float[np.ndarray, " r"]
    tolerance: float
    deviations: Float[np.ndarray, " s"]

    @property
    def rank(self) -> int:
        """Number of directions, at most K - 1."""
        return self.variances.size


def between_class(moments: ClassMoments, *, rtol: float = 1e-3, centre: Centre = "class") -> BetweenClass:
    """Principal directions of the class means, by a thin SVD of the K x d centred means.

    Never a d x d eigenproblem, and no pseudo-inverse that would divide by noise: a direction counts only above ``rtol``
    times the largest, and above the rounding of the input's own dtype. O(K d min(K, d)).

    Args:
        moments: of at least two classes with different means.
        rtol: share of the largest standard deviation, from 0 to below 1. The default lies far above what rounding and
            the sampling of collapsed features leave in unused directions (so that float32 and float64 features have the
            same rank), and far below what the known low-rank solutions keep. Lower it to count weaker directions.
        centre: mean of the class means, or of the samples.

    Raises:
        InvalidInputError: a class without samples, rtol outside [0, 1), or an unknown centre.
        UndefinedError: all class means are equal, or differ by no more than rounding of the input.
    """
    if not 0.0 <= rtol < 1.0:
        raise InvalidInputError(f"rtol: expected a share from 0 to below 1, but found {rtol}; the default is 1e-3")
    means = moments.centred_means(centre) / np.sqrt(moments.classes)
    triangle = np.linalg.qr(means, mode="r") if len(means) > means.shape[1] else means  # has the same two
    _, deviations, directions = np.linalg.svd(triangle, full_matrices=False)
    tolerance = max(rtol * float(deviations[0]), moments.noise)
    rank = int((deviations > tolerance).sum())
    if not rank:
        raise UndefinedError(
            f"class means: expected a standard deviation above rounding, {moments.noise:.3g}, in some direction, but "
            f"found {deviations[0]:.3g} at most; the layer does not tell the classes apart, measure another one"
        )
    return BetweenClass(directions[:rank], np.square(deviations[:rank]), tolerance, deviations)
