"""NC4: agreement of the classifier with the nearest class mean."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics.class_vectors import class_vectors
from deepcollapse.stats.samples import not_finite

__all__ = ["nc4_agreement", "nc4_matches"]

_ROWS = 1 << 10  # of features widened at a time
_ENTRIES = 1 << 20  # of a block of features, and of its scores: at most 8 MiB each in float64, which caches hold


def nc4_agreement(
    features: Shaped[np.ndarray, "..."],
    *,
    means: Shaped[np.ndarray, "..."],
    weight: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, "..."] | None = None,
) -> float:
    """Share of samples x for which argmax_k (W x + b)_k = argmin_k ||x - mu_k||.

    One exactly when the two decide alike everywhere; labels play no part. Among equal scores, and equal distances, the
    lowest class wins. Invariant under scaling W and b together, under rotating features, means and weight, and under
    shifts of features and means if b - W s goes along. Everything is computed in float64, relative to the mean of the
    class means, block by block: O(N K d) operations, at most 16 MiB beside the features.

    Args:
        features: N x d, of any real dtype; a memory-mapped array is read block by block.
        means: K x d, class means as they are (``ClassMoments.means``), not centred.
        weight: K x d, classifier rows.
        bias: K, its biases; zero if left out.

    Raises:
        InvalidInputError: no samples, shapes that do not fit, entries that are not finite, or scores beyond float64.

    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186), Fig. 7, there one minus this. The classifier's bias counts.

    >>> features = np.array([[2.0], [1.0], [-1.0], [-2.0]])
    >>> means, weight, bias = np.array([[1.5], [-1.5]]), np.array([[1.0], [-1.0]]), np.array([0.0, 3.0])
    >>> nc4_agreement(features, means=means, weight=weight, bias=bias)
    0.75
    """
    if not len(np.atleast_1d(features)):
        raise InvalidInputError("features: expected at least one sample, but found none; pass N x d with N >= 1")
    return nc4_matches(features, means=means, weight=weight, bias=bias) / len(features)


def nc4_matches(
    features: Shaped[np.ndarray, "..."],
    *,
    means: Shaped[np.ndarray, "..."],
    weight: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, "..."] | None = None,
) -> int:
    """Number of samples of a batch for which classifier and nearest class mean agree; see ``nc4_agreement``.

    Over a stream, add these up and divide by the number of samples. An empty batch counts zero.

    Raises:
        InvalidInputError: as in ``nc4_agreement``, but for no samples.

    >>> nc4_matches(np.zeros((0, 1)), means=np.eye(2)[:, :1], weight=np.eye(2)[:, :1])
    0
    """
    judge = _judge(means, weight, bias)
    doubled, width = judge.rows.shape
    if features.ndim != 2 or features.shape[1] != width or features.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"features: expected a matrix of numbers with {width} columns, but found {features.dtype} of shape "
            f"{features.shape}; take those that the classifier reads"
        )
    size = max(16, min(_ROWS, _ENTRIES // doubled, _ENTRIES // max(width, 1)))
    shifted, scores = np.empty((size, width)), np.empty((size, doubled))
    matches = 0
    for start in range(0, len(features), size):
        block = features[start : start + size]
        matches += judge.matches(block, shifted[: len(block)], scores[: len(block)], start=start)
    return matches


@dataclass(frozen=True, slots=True)
class _Judge:
    """Scores of both deciders as one affine map of x - anchor.

    The first K are W x + b, the others half of ||x - anchor||^2 - ||x - mu||^2.
    """

    rows: Float[np.ndarray, "K2 d"]
    levels: Float[np.ndarray, " K2"]
    anchor: Float[np.ndarray, " d"]

    def matches(self, block: np.ndarray, shifted: np.ndarray, scores: np.ndarray, *, start: int) -> int:
        """Samples of a block on which both agree; ``shifted`` and ``scores`` are memory to work in."""
        with np.errstate(over="ignore", invalid="ignore"):
            shifted[...] = block  # widened first: a subtraction across dtypes is twice as slow
            shifted -= self.anchor
            np.matmul(shifted, self.rows.T, out=scores)
            scores += self.levels
        sides = scores.reshape(len(block), 2, -1)
        chosen = sides.argmax(axis=2)
        best = np.take_along_axis(sides, chosen[:, :, None], axis=2)
        if not np.isfinite(best).all():  # argmax passes NaN on
            _refuse(block, start)
        return int((chosen[:, 0] == chosen[:, 1]).sum())


def _judge(means: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> _Judge:
    means, weight = class_vectors("means", means), class_vectors("weight", weight)
    if weight.shape != means.shape:
        raise InvalidInputError(
            f"weight: expected the shape {means.shape} of the means, but found {weight.shape}; transpose it, or take "
            "the classifier that reads these features"
        )
    anchor = means.mean(axis=0)
    centred = means - anchor
    levels = weight @ anchor
    if bias is not None:
        if bias.shape != levels.shape:
            raise InvalidInputError(
                f"bias: expected shape {levels.shape}, one per class, but found {bias.shape}; leave it out for zero"
            )
        levels = levels + class_vectors("bias", bias[:, None])[:, 0]
    distance = -0.5 * np.square(centred).sum(axis=1)
    return _Judge(np.concatenate([weight, centred]), np.concatenate([levels, distance]), anchor)


def _refuse(block: np.ndarray, start: int) -> None:
    bad = np.argwhere(~np.isfinite(block))
    if bad.size:
        row, column = map(int, bad[0])
        half = block.dtype == np.float16
        raise not_finite(float(block[row, column]), where=(start + row, column), count=len(bad), half=half)
    raise InvalidInputError(
        f"features: expected scores within float64, but found entries up to {np.abs(block).max():.3g}; rescale "
        "features and means"
    )
