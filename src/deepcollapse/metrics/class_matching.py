"""Class permutations that bring a matrix near to patterns, by swaps of two classes from several starts."""

from itertools import permutations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components

from deepcollapse.ufm.permutation import aligned

__all__ = ["best_fits", "combination"]

_ALL_TRIED = 6  # up to this K every permutation is a start
_RANDOM_STARTS = 4
_SHARES = (0.2, 0.5, 0.8)
_COARSENESS = (0.1, 0.25)
_LEAST_GAIN = 1e-12  # of correlations, which rounding moves by less


def best_fits(
    matrix: Float[np.ndarray, "K K"], patterns: Float[np.ndarray, "T b K K"]
) -> tuple[Int[np.ndarray, "T K"], Float[np.ndarray, "T b"]]:
    """For each of T patterns the best class permutation found, and the correlations with its b parts there.

    A pattern is any combination sum_b c_b P_b with c_b >= 0 of orthogonal parts of unit norm (or zero, to fill up). Its
    correlation with A[p, p], for A of unit norm, is largest at ``combination`` of the numbers <A[p, p], P_b>. Up to six
    classes all permutations are tried and the best is exact. Beyond, from the given order, the order of the angles in
    the leading plane, orders by groups of opposed classes, exact matches if there are any and a few random orders, the
    best swap of two classes is made while one helps: a quadratic assignment problem, so a better permutation can exist.
    Deterministic. A swap costs O(b K^3) for each pattern and start.
    """
    common = _starts(matrix)
    starts = [np.concatenate([common, *_exact_matches(matrix, pattern)]) for pattern in patterns]
    owners = np.repeat(np.arange(len(patterns)), [len(orders) for orders in starts])
    orders = np.concatenate(starts)
    values = np.empty((len(orders), patterns.shape[1]))
    active = np.arange(len(orders))
    while active.size:
        here = matrix[orders[active, :, None], orders[active, None, :]][:, None]
        parts = patterns[owners[active]]
        values[active] = (here * parts).sum(axis=(-2, -1))
        if len(matrix) <= _ALL_TRIED:
            break
        after = _correlation(np.moveaxis(values[active][..., None, None] + _swap_gains(here, parts), 1, -1))
        after = after.reshape(active.size, -1)
        choice = after.argmax(axis=1)
        better = after.max(axis=1) > _correlation(values[active]) + _LEAST_GAIN
        active, choice = active[better], choice[better]
        i, j = np.divmod(choice, len(matrix))
        orders[active, i], orders[active, j] = orders[active, j], orders[active, i]
    scores = _correlation(values)
    best = [int(scores[owners == t].argmax()) + int((owners < t).sum()) for t in range(len(patterns))]
    return orders[best], values[best]


def combination(values: Float[np.ndarray, "*m b"]) -> Float[np.ndarray, "*m b"]:
    """The c >= 0 with ||c|| = 1 that makes sum_b c_b values_b largest."""
    positive = np.maximum(values, 0.0)
    norms = np.linalg.norm(positive, axis=-1, keepdims=True)
    alone = np.arange(values.shape[-1]) == values.argmax(axis=-1)[..., None]
    return np.where(norms > 0, positive / np.where(norms > 0, norms, 1.0), alone)


def _correlation(values: Float[np.ndarray, "*m b"]) -> Float[np.ndarray, "*m"]:
    norms = np.linalg.norm(np.maximum(values, 0.0), axis=-1)
    return np.where(norms > 0, norms, values.max(axis=-1))


def _swap_gains(a: Float[np.ndarray, "*m K K"], b: Float[np.ndarray, "*n K K"]) -> Float[np.ndarray, "*mn K K"]:
    """Entry (i, j): what swapping classes i and j of A adds to <A, B>.

    Rows and columns i and j exchange places. Two products give that for all pairs as if rows and columns did so one
    after the other on the old entries; the four entries where they cross are put right.
    """
    rows, columns = a @ b.mT, a.mT @ b
    both = rows + columns
    ends = np.diagonal(both, axis1=-2, axis2=-1)
    gains = both + both.mT - ends[..., :, None] - ends[..., None, :]
    a_i, b_i = (np.diagonal(x, axis1=-2, axis2=-1)[..., :, None] for x in (a, b))
    a_j, b_j = a_i.mT, b_i.mT
    gains -= (a.mT - a_i) * (b_i - b.mT) + (a_j - a) * (b - b_j)
    gains -= (a - a_i) * (b_i - b) + (a_j - a.mT) * (b.mT - b_j)
    return gains + (a_j - a_i) * (b_i - b_j) + (a.mT - a) * (b - b.mT)


def _starts(matrix: Float[np.ndarray, "K K"]) -> Int[np.ndarray, "s K"]:
    """Class orders to begin with, for all patterns."""
    classes = len(matrix)
    if classes <= _ALL_TRIED:
        return np.array(list(permutations(range(classes))))
    left = np.linalg.svd(matrix)[0]
    generator = np.random.default_rng(0)
    found = [np.arange(classes), np.argsort(np.arctan2(left[:, 1], left[:, 0]))]
    found += [_grouped(matrix, share) for share in _SHARES]
    found += [generator.permutation(classes) for _ in range(_RANDOM_STARTS)]
    return np.stack(found)


def _exact_matches(matrix: Float[np.ndarray, "K K"], pattern: Float[np.ndarray, "b K K"]) -> list[np.ndarray]:
    """Orders in which a pattern of one part and the matrix have equal entries but for the coarseness."""
    if len(matrix) <= _ALL_TRIED or pattern[1:].any():
        return []
    found = (aligned(matrix, pattern[0], rtol=rtol) for rtol in _COARSENESS)
    return [order[None] for order in found if order is not None]


def _grouped(matrix: Float[np.ndarray, "K K"], share: float) -> Int[np.ndarray, " K"]:
    """Classes by groups of increasing size; linked are those opposed by a share of each one's largest opposition."""
    opposed = np.maximum(-matrix - matrix.T, 0.0)
    np.fill_diagonal(opposed, 0.0)
    most = np.maximum(opposed.max(axis=1), np.finfo(float).tiny)
    _, group = connected_components(opposed >= share * np.minimum(most[:, None], most), directed=False)
    return np.lexsort((group, np.bincount(group)[group]))
