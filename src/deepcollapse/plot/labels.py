"""Positions of labels that would lie on each other."""

import numpy as np
from jaxtyping import Float

__all__ = ["spread_out"]


def spread_out(positions: Float[np.ndarray, " n"], gap: float, *, low: float, high: float) -> Float[np.ndarray, " n"]:
    """Positions in increasing order moved as little as possible (least squares) so that neighbours are a gap apart.

    With y_i = x_i - i gap the constraint is that y be non-decreasing, so the answer is the isotonic regression of the
    positions, found by pooling neighbours that violate it, then cut to the interval. Costs O(n) poolings.

    Args:
        positions: non-decreasing.
        gap: least distance between neighbours, reduced if n labels do not fit.
        low: lower end of the interval for the labels.
        high: upper end.

    >>> spread_out(np.array([0.0, 0.0, 5.0]), 1.0, low=-1.0, high=6.0)
    array([-0.5,  0.5,  5. ])
    """
    gap = min(gap, (high - low) / max(positions.size - 1, 1))
    steps = gap * np.arange(positions.size)
    blocks: list[tuple[float, int]] = []  # mean and size of runs of touching labels
    for value in positions - steps:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    free = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    return np.clip(free, low, high - gap * (positions.size - 1)) + steps
