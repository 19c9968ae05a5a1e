"""NC4: agreement of the classifier with the nearest class mean."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics.class_vectors import class_vectors
from deepcollapse.stats.samples import not_finite

__all__ = ["nc4_agreement", "nc4_matches"]

_UNIT = 2.0**-24  # of rounding in float32
_TINY = 2.0**-126  # what underflow may drop there
_ROWS = 1 << 10  # of features widened at a time
_UNSURE = 0.25  # share of a block that float32 may leave open; beyond it the first look is given up
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
    shifts of features and means if b - W s goes along. Decided as in float64, relative to the mean of the class means:
    a first look in float32 settles the samples whose best score leads by more than its rounding can be, the others are
    computed in float64. Block by block: O(N K d) operations, at most 24 MiB beside the features.

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
    screen = _screen(judge, size)
    matches = 0
    for start in range(0, len(features), size):
        block = features[start : start + size]
        rows = np.arange(len(block))
        if screen is not None:
            settled, rows = screen.settled(block)
            matches += settled
            screen = screen if len(rows) <= _UNSURE * len(block) else None
        if len(rows):
            matches += judge.matches(block, shifted[: len(rows)], scores[: len(rows)], rows=rows, start=start)
    return matches


@dataclass(frozen=True, slots=True)
class _Judge:
    """Scores of both deciders as one affine map of x - anchor.

    The first K are W x + b, the others half of ||x - anchor||^2 - ||x - mu||^2.
    """

    rows: Float[np.ndarray, "K2 d"]
    levels: Float[np.ndarray, " K2"]
    anchor: Float[np.ndarray, " d"]

    def matches(
        self, block: np.ndarray, shifted: np.ndarray, scores: np.ndarray, *, rows: np.ndarray, start: int
    ) -> int:
        """Samples among these rows of a block on which both agree; ``shifted`` and ``scores`` are memory to work in."""
        with np.errstate(over="ignore", invalid="ignore"):
            shifted[...] = (
                block if len(rows) == len(block) else block[rows]
            )  # widened first: a subtraction across dtypes is twice as slow
            shifted -= self.anchor
            np.matmul(shifted, self.rows.T, out=scores)
            scores += self.levels
        sides = scores.reshape(len(rows), 2, -1)
        chosen = sides.argmax(axis=2)
        best = np.take_along_axis(sides, chosen[:, :, None], axis=2)
        if not np.isfinite(best).all():  # argmax passes NaN on
            _refuse(block, start)
        return int((chosen[:, 0] == chosen[:, 1]).sum())


@dataclass(frozen=True, slots=True)
class _Screen:
    """The same scores in float32, of features as they are, with a bound on their rounding.

    A product of rounded vectors of length d differs from the exact one by at most (d + 4) u ||x|| ||r|| to first order,
    u = 2^-24 (Higham 2002, Accuracy and Stability of Numerical Algorithms, Section 3.1; two units for the rounding of x
    and r, one for adding the level, one for second order), and by what underflow drops.
    """

    rows: Float[np.ndarray, "K2 d"]
    levels: Float[np.ndarray, " K2"]
    reach: float
    height: float
    scores: Float[np.ndarray, "B K2"]

    def settled(self, block: np.ndarray) -> tuple[int, np.ndarray]:
        """Samples of a block on which both agree beyond doubt, and the rows that are in doubt."""
        width = self.rows.shape[1]
        scores = self.scores[: len(block)]
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = np.asarray(block, dtype=np.float32)
            np.matmul(narrow, self.rows.T, out=scores)
            scores += self.levels
            norms = np.sqrt(np.einsum("ij,ij->i", narrow, narrow, dtype=np.float64))
            doubt = 2.0 * (width + 4) * (_UNIT * (norms * self.reach + self.height) + _TINY)
            sides = scores.reshape(len(block), 2, -1)
            chosen = sides.argmax(axis=2)
            best = np.take_along_axis(sides, chosen[:, :, None], axis=2)
            near = (sides >= (best - doubt[:, None, None]).astype(np.float32)).sum(axis=2)
        sure = (near == 1).all(axis=1) & np.isfinite(best).all(axis=(1, 2))
        return int((sure & (chosen[:, 0] == chosen[:, 1])).sum()), np.flatnonzero(~sure)


def _screen(judge: _Judge, size: int) -> _Screen:
    with np.errstate(over="ignore", invalid="ignore"):
        rows = judge.rows.astype(np.float32)
        levels = judge.levels - judge.rows @ judge.anchor
        height = float(np.abs(levels).max())
        reach = float(np.sqrt(np.square(judge.rows).sum(axis=1)).max())
        scores = np.empty((size, len(rows)), dtype=np.float32)
        return _Screen(rows, levels.astype(np.float32), reach, height, scores)


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
