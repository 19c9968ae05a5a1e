"""Boxes of weights of a quadratic form on centred vectors, which branch-and-bound over that form divides."""

import itertools
import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import Float

__all__ = ["WeightBox", "laplacian", "pairs"]


@lru_cache(maxsize=32)
def pairs(classes: int) -> tuple[tuple[int, int], ...]:
    """The K (K - 1) / 2 pairs i < j of classes, in the order of a box's weights.

    >>> pairs(3)
    ((0, 1), (0, 2), (1, 2))
    """
    return tuple(itertools.combinations(range(classes), 2))


def laplacian(weights: Float[np.ndarray, " m"]) -> Float[np.ndarray, "K K"]:
    """Q = sum over pairs i < j of w_ij (e_i - e_j)(e_i - e_j)^T: every symmetric Q with Q 1 = 0 is one.

    Q rises in the Loewner order with every weight, so a box of weights lies between the Q of its two corners.

    Args:
        weights: one per pair, of any sign.

    >>> laplacian(np.array([1.0]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    classes = (1 + math.isqrt(1 + 8 * len(weights))) // 2
    found = np.zeros((classes, classes))
    for (i, j), weight in zip(pairs(classes), weights, strict=True):
        found[i, j] = found[j, i] = -weight
    np.fill_diagonal(found, -found.sum(axis=1))
    return found


@dataclass(frozen=True, slots=True)
class WeightBox:
    """All Q whose weights lie between ``low`` and ``high``.

    Attributes:
        low: least weights.
        high: greatest weights.
        path: how the box was cut out of the first one: an axis and a side, "-" or "+", for every cut.
    """

    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    path: tuple[str, ...] = field(default=())

    @classmethod
    def around(cls, radius: float, classes: int) -> "WeightBox":
        """All Q with weights of size at most ``radius``."""
        count = len(pairs(classes))
        return cls(np.full(count, -radius), np.full(count, radius))

    def halves(self, axis: int) -> tuple["WeightBox", "WeightBox"]:
        """The box below and the box above the middle of one axis."""
        middle = 0.5 * (self.low[axis] + self.high[axis])
        below, above = self.high.copy(), self.low.copy()
        below[axis] = above[axis] = middle
        return (
            WeightBox(self.low, below, (*self.path, f"{axis}-")),
            WeightBox(above, self.high, (*self.path, f"{axis}+")),
        )

    def cut(self, path: tuple[str, ...]) -> "WeightBox":
        """The box at the end of a path that begins here."""
        box = self
        for step in path:
            box = box.halves(int(step[:-1]))[step[-1] == "+"]
        return box

    @property
    def unordered(self) -> bool:
        """Whether no Q of the box has its diagonal in falling order; some renumbering of the classes always has."""
        least, most = np.diag(laplacian(self.low)), np.diag(laplacian(self.high))
        slack = 1e-12 * (np.abs(self.low).sum() + np.abs(self.high).sum())
        return bool(np.any(most[:-1] < least[1:] - slack))
