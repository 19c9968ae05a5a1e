"""CDNV: variance within two classes against the distance of their means."""

import numpy as np

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics.class_vectors import above_diagonal, pair_squares
from deepcollapse.stats import ClassMoments

__all__ = ["cdnv"]


def cdnv(moments: ClassMoments, *, unbiased: bool = False) -> float:
    """Class-distance normalised variance: mean over all pairs k != l of (v_k + v_l) / (2 ||mu_k - mu_l||^2).

    v_k = sum_i ||x_i - mu_k||^2 / n_k over the samples of class k, a sum over the coordinates, not their mean. Zero
    exactly on collapsed features. Invariant under shifts, rotations and scaling. Unlike ``nc1`` and
    ``variability_quotient`` it is large as soon as two classes are near each other. O(K^2 d), K x K memory.

    Args:
        moments: of the features of one layer; the scatter matrix is not needed.
        unbiased: divide by n_k - 1 in place of n_k.

    Raises:
        InvalidInputError: a class without samples, or with a single one and ``unbiased``.
        UndefinedError: two classes have equal means (to within ``moments.noise``); the message names them.

    Source: Galanti, Gyorgy & Hutter 2022 (arXiv 2112.15121): their V of two classes, averaged over pairs.

    >>> from deepcollapse.stats import class_moments
    >>> features, labels = np.array([[-3.0], [-1.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> moments = class_moments(features, labels, classes=2)
    >>> cdnv(moments), cdnv(moments, unbiased=True)
    (0.0625, 0.125)
    """
    moments.centred_means()  # refuses empty classes, and equal means of all
    single = np.flatnonzero(moments.counts == 1)
    if unbiased and single.size:
        raise InvalidInputError(
            f"cdnv: expected at least 2 samples per class for n - 1, but found one of {single.tolist()}; add samples "
            "or take unbiased=False"
        )
    squares = pair_squares(moments.means)
    equal = np.flatnonzero(np.sqrt(squares) <= moments.noise)
    if equal.size:
        pair = [int(index[equal[0]]) for index in np.triu_indices(moments.classes, k=1)]
        raise UndefinedError(
            f"cdnv: expected class means that differ, but found equal ones of classes {pair[0]} and {pair[1]}, one of "
            f"{equal.size} such pairs; leave one class out or merge them"
        )
    variances = moments.spreads / (moments.counts - unbiased)
    return float((0.5 * above_diagonal(variances[:, None] + variances) / squares).mean())
