"""Families of logit patterns with closed-form singular values and margins.

Each function takes a problem with equally many samples n per class and returns a ``Pattern``. Sizes of blocks and
counts of margins are kept as multisets, so that nothing is built K x K until the logits are asked for.
"""

import math
from collections import Counter

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag

from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Block, Column
from deepcollapse.ufm.structures.pattern import Pattern

__all__ = [
    "circle",
    "orthogonal_frame",
    "paired_trial",
    "partition",
    "simplex",
    "triangular",
    "triangular_points",
]

_LARGEST_CIRCLE = 20_000  # K - 1 gaps, all looked at on a grid of scales
_PAIR = np.array([[1.0, -1.0], [-1.0, 1.0]])


def simplex(problem: Problem) -> Pattern:
    """Deep neural collapse: Zbar = alpha (I - 1 1^T / K), rank K - 1. Source: arXiv 2410.23169, Section 2."""
    k = problem.classes
    return Pattern(
        name="simplex",
        blocks=(_group(k, copies=1, problem=problem),),
        matrix=lambda scales: scales[0] * _centred(k),
        critical=True,
    )


def orthogonal_frame(problem: Problem) -> Pattern:
    """Zbar = beta I, rank K: neural collapse under the squared error, whose logits are not centred."""
    k = problem.classes
    column = _column(1.0, gaps=[-1.0], counts=[k - 1], diagonal=1.0, square=1.0)
    return Pattern(
        name="orthogonal-frame",
        blocks=(_block([column], values={1.0: k}, problem=problem),),
        matrix=lambda scales: scales[0] * np.eye(k),
        critical=problem.loss == "mse",
    )


def paired_trial(problem: Problem) -> Pattern:
    """Pairs of opposite classes at one scale b: blockdiag of [[1, -1], [-1, 1]], a last class alone for odd K.

    Rank ceil(K/2). For even K a critical point (named "paired"); for odd K only a trial point (named "paired-trial"),
    because the lone class is not centred. Source: arXiv 2410.23169, Eq. 5.
    """
    k, pairs = problem.classes, problem.classes // 2
    columns = [_column(2 * pairs / k, gaps=[-2.0, -1.0], counts=[1, k - 2], diagonal=1.0, square=2.0)]
    values = {2.0: pairs}
    if odd := k % 2 == 1:
        columns.append(_column(1 / k, gaps=[-1.0], counts=[k - 1], diagonal=1.0, square=1.0))
        values[1.0] = 1
    return Pattern(
        name="paired-trial" if odd else "paired",
        blocks=(_block(columns, values=values, problem=problem),),
        matrix=lambda scales: scales[0] * np.asarray(block_diag(*[_PAIR] * pairs, *[[[1.0]]] * odd)),
        critical=not odd,
    )


def partition(sizes: tuple[int, ...], problem: Problem) -> Pattern:
    """Classes split into groups, each a centred simplex of its own scale; a group of one has zero logits.

    Scales are given per distinct size >= 2, in increasing order of size. Rank K minus the number of groups. Derived.

    Raises:
        InvalidInputError: the sizes do not add up to K, or none is above 1.
    """
    k, ordered = problem.classes, tuple(sorted(sizes))
    if sum(ordered) != k or ordered[0] < 1 or ordered[-1] < 2:
        raise InvalidInputError(
            f"partition: expected sizes >= 1, one of them >= 2, that add up to {k}, but found {sizes}; adjust them"
        )
    groups = Counter(ordered)
    alone = groups.pop(1, 0)
    blocks = [_group(size, copies=copies, problem=problem) for size, copies in sorted(groups.items())]
    if alone:
        flat = _column(alone / k, gaps=[0.0], counts=[k - 1], diagonal=0.0, square=0.0)
        blocks[0] = Block((*blocks[0].columns, flat), blocks[0].values, blocks[0].multiplicities)
    distinct = sorted(groups)

    def matrix(scales: tuple[float, ...]) -> Float[np.ndarray, "K K"]:
        scale = {1: 0.0} | dict(zip(distinct, scales, strict=True))
        return np.asarray(block_diag(*[scale[size] * _centred(size) for size in ordered]))

    name = "partition-" + "-".join(map(str, ordered))
    same_scale = problem.loss == "ce" or not alone
    return Pattern(name=name, blocks=tuple(blocks), matrix=matrix, critical=same_scale)


def triangular_points(classes: int) -> int | None:
    """The m with m (m - 1) / 2 = K, or None.

    >>> triangular_points(10), triangular_points(11)
    (5, None)
    """
    m = (1 + math.isqrt(1 + 8 * classes)) // 2
    return m if m * (m - 1) // 2 == classes else None


def triangular(problem: Problem) -> Pattern:
    """T_m: classes are the pairs of m points, Zbar = a (A^T A - (4/m) 1 1^T) with A their m x K incidence matrix.

    Rank m - 1, all singular values of Zbar (m - 2) a. Derived; the strongly regular graph solution of Sukenik et al.,
    arXiv 2405.14468, is of this kind.

    Raises:
        InvalidInputError: K is not m (m - 1) / 2 with m >= 3.
    """
    k, m = problem.classes, triangular_points(problem.classes)
    if m is None or m < 3:
        raise InvalidInputError(
            f"classes: expected m (m - 1) / 2 with m >= 3 (3, 6, 10, 15, ...) for T_m, but found {k}; "
            "choose such a K or another structure"
        )
    counts = [2 * (m - 2), (m - 2) * (m - 3) // 2]
    shift = 4.0 / m
    square = (2 - shift) ** 2 + counts[0] * (1 - shift) ** 2 + counts[1] * shift**2
    column = _column(1.0, gaps=[-1.0, -2.0], counts=counts, diagonal=2 - shift, square=square)

    def matrix(scales: tuple[float, ...]) -> Float[np.ndarray, "K K"]:
        incidence = incidence_matrix(m)
        return scales[0] * (incidence.T @ incidence - shift)

    blocks = (_block([column], values={float(m - 2): m - 1}, problem=problem),)
    return Pattern(name=f"T{m}", blocks=blocks, matrix=matrix, critical=True)


def incidence_matrix(points: int) -> Float[np.ndarray, "m K"]:
    """The m x m(m-1)/2 matrix whose columns are the pairs {a, b} of m points: ones at a and b."""
    first, second = np.triu_indices(points, k=1)
    eye = np.eye(points)
    return eye[:, first] + eye[:, second]


def circle(problem: Problem) -> Pattern:
    """Classes evenly on a circle: Zbar_ij = rho cos(2 pi (i - j) / K), rank 2, singular values rho K / 2. Derived.

    Raises:
        InvalidInputError: K < 3.
        TooLargeError: K > 20,000.
    """
    k = problem.classes
    if k > _LARGEST_CIRCLE:
        raise TooLargeError(
            f"classes: expected at most {_LARGEST_CIRCLE} for the circle, but found {k}; use the simplex or pairs"
        )
    if k < 3:
        raise InvalidInputError(f"classes: expected at least 3 for the circle, but found {k}; use the simplex")
    angles = 2.0 * np.pi * np.arange(k) / k
    gaps = -2.0 * np.sin(angles[1:] / 2.0) ** 2
    column = _column(1.0, gaps=gaps, counts=np.ones(k - 1), diagonal=1.0, square=k / 2)
    return Pattern(
        name="circle",
        blocks=(_block([column], values={k / 2: 2}, problem=problem),),
        matrix=lambda scales: scales[0] * np.cos(angles[:, None] - angles),
        critical=True,
    )


def _group(size: int, *, copies: int, problem: Problem) -> Block:
    """Centred simplices of equal size and scale on ``copies`` groups of classes."""
    k, inside = problem.classes, 1.0 - 1.0 / size
    gaps, counts = ([-1.0], [size - 1]) if size == k else ([-1.0, -inside], [size - 1, k - size])
    column = _column(copies * size / k, gaps=gaps, counts=counts, diagonal=inside, square=inside)
    return _block([column], values={1.0: copies * (size - 1)}, problem=problem)


def _centred(size: int) -> Float[np.ndarray, "k k"]:
    return np.eye(size) - 1.0 / size


def _column(weight: float, *, gaps: object, counts: object, diagonal: float, square: float) -> Column:
    return Column(weight, np.asarray(gaps, dtype=float), np.asarray(counts, dtype=float), diagonal, square)


def _block(columns: list[Column], *, values: dict[float, int], problem: Problem) -> Block:
    """``values`` maps singular values of the class logits to multiplicities; those of Z are sqrt(n) times larger."""
    root = math.sqrt(problem.class_samples[0])
    return Block(
        tuple(columns),
        root * np.array(list(values), dtype=float),
        np.array(list(values.values()), dtype=float),
    )
