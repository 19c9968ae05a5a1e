"""Spread within classes over spread between them, as a quotient of traces."""

import numpy as np

from deepcollapse.stats import Centre, ClassMoments

__all__ = ["variability_quotient"]


def variability_quotient(moments: ClassMoments, *, centre: Centre = "class") -> float:
    """tr(Sigma_W) / tr(Sigma_B), with Sigma_W = scatter / N and Sigma_B = (1/K) sum_k (mu_k - mu)(mu_k - mu)^T.

    Zero exactly on collapsed features. Invariant under shifts, rotations and scaling. Unlike ``nc1`` it weighs
    directions by their variance and needs no rank: weak directions of the class means do not dominate it, and it
    does not need the scatter matrix. O(K d).

    Args:
        moments: of the features of one layer.
        centre: mean of the class means, or of the samples.

    Raises:
        InvalidInputError: a class without samples.
        UndefinedError: all class means are equal, or no class has two samples.

    Source: Tirer, Huang & Niles-Weed 2023 (arXiv 2210.16658).

    >>> from deepcollapse.stats import class_moments
    >>> features, labels = np.array([[-3.0], [-1.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> variability_quotient(class_moments(features, labels, classes=2))
    0.25
    """
    between = np.square(moments.centred_means(centre)).sum() / moments.classes
    moments.expect_spread()
    return float(moments.spreads.sum() / moments.total / between)
