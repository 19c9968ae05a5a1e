"""Counts, class means and within-class scatter of labelled features: all that the collapse metrics need."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError, UndefinedError

__all__ = ["Centre", "ClassMoments"]

Centre = Literal["class", "sample"]
"""Where class means are centred: at the mean of the K class means, or at the mean of all N samples."""


@dataclass(frozen=True, slots=True)
class ClassMoments:
    """Sufficient statistics of N labelled features of width d; a class may be empty as long as others are to be merged.

    Attributes:
        counts: samples n_k of each class.
        means: class means mu_k; zeros where a class is empty.
        scatter: sum_i (x_i - mu_{y_i}) (x_i - mu_{y_i})^T, divided by nothing; exactly zero on collapsed features. None
            where only traces were asked for.
        resolution: largest |x_ij| times the rounding unit of the features' own dtype: differences between class means
            of this size are noise of the input, in whatever precision they are computed.
        spreads: sum_i ||x_i - mu_k||^2 over the samples of each class, divided by nothing; their sum is the trace of
            the scatter.
    """

    counts: Int[np.ndarray, " K"]
    means: Float[np.ndarray, "K d"]
    scatter: Float[np.ndarray, "d d"] | None
    resolution: float
    spreads: Float[np.ndarray, " K"]

    @property
    def classes(self) -> int:
        """Number K of classes."""
        return self.counts.size

    @property
    def width(self) -> int:
        """Width d of the features."""
        return self.means.shape[1]

    @property
    def total(self) -> int:
        """Number N of samples."""
        return int(self.counts.sum())

    @property
    def within(self) -> Float[np.ndarray, "d d"]:
        """Within-class covariance Sigma_W = scatter / N.

        Raises:
            InvalidInputError: only traces were asked for.
        """
        if self.scatter is None:
            raise InvalidInputError(
                "within: expected the scatter matrix, but found traces only; take the moments with scatter=True"
            )
        return self.scatter / self.total

    @property
    def empty(self) -> tuple[int, ...]:
        """Classes without samples."""
        return tuple(np.flatnonzero(self.counts == 0).tolist())

    @property
    def noise(self) -> float:
        """sqrt(d) times the resolution: length below which a centred class mean is rounding of the input."""
        return float(np.sqrt(self.width)) * self.resolution

    def merge(self, other: "ClassMoments") -> "ClassMoments":
        """Moments of both sets of samples together, in any order up to rounding.

        mu = mu_a + (n_b / n) (mu_b - mu_a), scatter = S_a + S_b + sum_k (n_a n_b / n) (mu_b - mu_a)(mu_b - mu_a)^T.
        Only differences of means are squared: an offset common to all features costs no digits. O(K d^2).

        Raises:
            InvalidInputError: other numbers of classes or another width.

        Source: Chan, Golub & LeVeque 1979, Eq. 2.1, summed over classes.
        """
        if (self.scatter is None) != (other.scatter is None):
            raise InvalidInputError(
                "merge: expected a scatter matrix in both or in neither, but found it in one; take both with the same "
                "scatter=..."
            )
        if self.means.shape != other.means.shape:
            raise InvalidInputError(
                f"merge: expected {self.classes} classes of width {self.width}, but found {other.classes} of width "
                f"{other.width}; take both from the same layer and label set"
            )
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        step = other.means - self.means
        weights = self.counts * share
        scatter = None
        if self.scatter is not None and other.scatter is not None:
            both = np.flatnonzero(weights)
            scatter = self.scatter + other.scatter + (step[both] * weights[both, None]).T @ step[both]
        return ClassMoments(
            counts=counts,
            means=self.means + step * share[:, None],
            scatter=scatter,
            resolution=max(self.resolution, other.resolution),
            spreads=self.spreads + other.spreads + weights * np.square(step).sum(axis=1),
        )

    def present(self) -> "ClassMoments":
        """Moments of the classes that have samples, numbered anew in their order; ``empty`` says which are gone.

        Rows of a classifier go alike: ``np.delete(weight, moments.empty, axis=0)``.

        Raises:
            InvalidInputError: fewer than two classes have samples.
        """
        kept = np.flatnonzero(self.counts)
        if kept.size < 2:
            raise InvalidInputError(
                f"classes: expected samples of at least 2, but found only of {kept.tolist()}; one class has nothing to "
                "compare with, measure more samples"
            )
        return replace(self, counts=self.counts[kept], means=self.means[kept], spreads=self.spreads[kept])

    def centred_means(self, centre: Centre = "class") -> Float[np.ndarray, "K d"]:
        """Class means minus their centre; rows no longer than ``noise`` are exactly zero.

        Args:
            centre: "class" for sum_k mu_k / K, "sample" for sum_k n_k mu_k / N; the same for equally large classes.

        Raises:
            InvalidInputError: a class without samples, or an unknown centre.
            UndefinedError: all class means are equal, so that nothing can be compared with the spread between them.
        """
        if centre not in get_args(Centre):
            raise InvalidInputError(
                f'centre: expected "class" or "sample", but found {centre!r}; choose one of the two'
            )
        self._expect_samples_everywhere()
        weights = self.counts / self.total if centre == "sample" else np.full(self.classes, 1.0 / self.classes)
        anchored = self.means - self.means[0]
        centred = anchored - weights @ anchored
        centred[np.linalg.norm(centred, axis=1) <= self.noise] = 0.0
        if not centred.any():
            raise UndefinedError(
                f"class means: expected at least two that differ, but found {self.classes} equal ones (to within "
                f"{self.noise:.3g}); the layer does not tell the classes apart, measure another one"
            )
        return centred

    def expect_spread(self) -> None:
        """Refuse moments in which nothing can vary within classes.

        Raises:
            UndefinedError: no class has two samples, so that the spread is zero whatever the layer does.
        """
        if self.counts.max(initial=0) < 2:
            raise UndefinedError(
                "spread: expected a class of at least 2 samples, but found at most one sample per class; a single "
                "sample has no spread, measure more samples"
            )

    def _expect_samples_everywhere(self) -> None:
        if self.empty:
            raise InvalidInputError(
                f"classes: expected samples of all {self.classes}, but found none of {list(self.empty)}; "
                "merge further batches, or drop these classes with present()"
            )
