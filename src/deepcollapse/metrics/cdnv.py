"""CDNV: variance within two classes against the distance of their means."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from deepcollapse.errors import UndefinedError
from deepcollapse.metrics.class_vectors import above_diagonal, pair_squares
from deepcollapse.stats import ClassMoments

__all__ = ["ClassPairs", "cdnv", "class_pairs"]


@dataclass(frozen=True, slots=True)
class ClassPairs:
    """All pairs k < l of K classes, in the order of ``np.triu_indices``.

    Attributes:
        classes: K.
        squares: squared distance of the two means.
        equal: whether the means are equal, to within rounding of the input.
        single: whether one of the two classes has a single sample, which has no variance.
    """

    classes: int
    squares: Float[np.ndarray, " pairs"]
    equal: Bool[np.ndarray, " pairs"]
    single: Bool[np.ndarray, " pairs"]

    @property
    def compared(self) -> Bool[np.ndarray, " pairs"]:
        """The pairs that have a value."""
        return ~(self.equal | self.single)

    def left_out(self) -> Iterator[str]:
        """Why pairs have no value, one sentence for each reason."""
        for which, why in (
            (self.equal, "class means are equal"),
            (self.single, "classes have one sample, no variance"),
        ):
            if which.any():
                first, second = (int(index[which.argmax()]) for index in np.triu_indices(self.classes, k=1))
                yield f"{which.sum()} of {which.size} pairs, whose {why}, the first of classes {first} and {second}"


def class_pairs(moments: ClassMoments) -> ClassPairs:
    """The pairs of classes with the distances of their means. O(K^2 d), K x K memory.

    Raises:
        InvalidInputError: a class without samples.
        UndefinedError: all class means are equal.
    """
    moments.centred_means()  # refuses empty classes, and equal means of all
    squares, single = pair_squares(moments.means), moments.counts < 2
    equal = np.sqrt(squares) <= moments.noise
    return ClassPairs(moments.classes, squares, equal, above_diagonal(single[:, None] | single))


def cdnv(moments: ClassMoments, *, unbiased: bool = False, pairs: ClassPairs | None = None) -> float:
    """Class-distance normalised variance: mean over pairs k != l of (v_k + v_l) / (2 ||mu_k - mu_l||^2).

    v_k = sum_i ||x_i - mu_k||^2 / n_k over the samples of class k, a sum over the coordinates, not their mean. The mean
    is over the pairs that have a value: two classes of at least two samples each, whose means differ. Zero exactly on
    collapsed features. Invariant under shifts, rotations and scaling. Unlike ``nc1`` and ``variability_quotient`` it is
    large as soon as two classes are near each other. O(K^2 d), K x K memory.

    Args:
        moments: of the features of one layer; the scatter matrix is not needed.
        unbiased: divide by n_k - 1 in place of n_k.
        pairs: ``class_pairs`` of the same moments, which also say what is left out; None to compute them.

    Raises:
        InvalidInputError: a class without samples.
        UndefinedError: no pair has a value, because of equal means (to within ``moments.noise``) or single samples.

    Source: Galanti, Gyorgy & Hutter 2022 (arXiv 2112.15121): their V of two classes, averaged over pairs.

    >>> from deepcollapse.stats import class_moments
    >>> features, labels = np.array([[-3.0], [-1.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> moments = class_moments(features, labels, classes=2)
    >>> cdnv(moments), cdnv(moments, unbiased=True)
    (0.0625, 0.125)
    """
    pairs = class_pairs(moments) if pairs is None else pairs
    kept = pairs.compared
    if not kept.any():
        raise UndefinedError(
            f"cdnv: expected two classes of at least 2 samples whose means differ, but found "
            f"{' and '.join(pairs.left_out())}; measure more samples, or leave classes out"
        )
    variances = moments.spreads / np.maximum(moments.counts - unbiased, 1)
    return float((0.5 * above_diagonal(variances[:, None] + variances)[kept] / pairs.squares[kept]).mean())
