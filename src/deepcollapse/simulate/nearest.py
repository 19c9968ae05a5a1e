"""Which named structure logits are nearest to, by a distance that needs no search over class permutations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Structure

__all__ = ["Nearest", "distance_min", "nearest"]

_TIE = 1e-9  # distances closer than this are one: two names of one structure up to rounding


@dataclass(frozen=True, slots=True)
class Nearest:
    """A named structure near class logits.

    Attributes:
        name: as in ``Verdict.structure``.
        distance_min: a lower bound of the relative distance from it at the best class permutation; 0 at the structure.
        loss_gap: the loss minus the structure's.
    """

    name: str
    distance_min: float
    loss_gap: float


def nearest(
    logits: Float[np.ndarray, "K K"],
    known: Sequence[tuple[str, Structure]],
    *,
    loss: float,
    free_scale: bool = False,
) -> Nearest:
    """The named structure with the least ``distance_min``, the first listed of several at one distance.

    The distance is relative to the norm of the structure's logits; for Z = 0, which has none, to that of the identity,
    sqrt K. O(K^3) per structure, no permutation is tried, so structures that the bound cannot tell apart are ties.

    Args:
        logits: class means, K x K.
        known: names and structures, at least one.
        loss: F of the run.
        free_scale: compare at equal norm (but with Z = 0 as they are).

    Raises:
        InvalidInputError: nothing to compare with.

    >>> from deepcollapse.ufm import Problem, structure
    >>> problem = Problem(classes=6, layers=2)
    >>> known = [(name, structure(name, problem)) for name in ("dnc", "paired", "circle")]
    >>> nearest(np.kron(np.eye(3), [[6.0, -6.0], [-6.0, 6.0]]), known, loss=0.1).name
    'paired'
    """
    if not known:
        raise InvalidInputError("known: expected at least one structure, but found none; Z = 0 always is one")
    marks = _invariants(logits)
    distances = np.array([_relative(marks, structure.logits, free_scale=free_scale) for _, structure in known])
    first = int(np.flatnonzero(distances <= distances.min() + _TIE)[0])
    name, structure = known[first]
    return Nearest(name, float(distances[first]), loss - structure.loss)


def distance_min(logits: Float[np.ndarray, "K K"], target: Float[np.ndarray, "K K"]) -> float:
    """A lower bound of min_p ||logits[p, p] - target|| (Frobenius) over class permutations p, which is not searched.

    The larger of two numbers that no permutation changes: the distance of the sorted singular values (Mirsky's
    inequality), and that of the sorted diagonals and the sorted other entries (rearrangement inequality). The true
    distance is a quadratic assignment. Zero if the two are equal up to a permutation, but not only then. O(K^3).

    >>> distance_min(np.diag([1.0, 2.0]), np.diag([2.0, 1.0])), distance_min(np.eye(2), np.eye(2)[::-1]).__round__(12)
    (0.0, 2.0)
    """
    return _apart(_invariants(logits), _invariants(target))


Invariants = tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K2"]]
"""What no class permutation changes: singular values; the sorted diagonal and then the sorted other entries."""


def _invariants(matrix: Float[np.ndarray, "K K"]) -> Invariants:
    diagonal = np.eye(len(matrix), dtype=bool)
    entries = np.concatenate([np.sort(matrix[diagonal]), np.sort(matrix[~diagonal])])
    return np.linalg.svd(matrix, compute_uv=False), entries


def _apart(one: Invariants, other: Invariants) -> float:
    return float(max(np.linalg.norm(a - b) for a, b in zip(one, other, strict=True)))


def _relative(marks: Invariants, target: Float[np.ndarray, "K K"], *, free_scale: bool) -> float:
    size, unit = np.linalg.norm(marks[0]), np.linalg.norm(target)
    if unit == 0:
        return float(size / np.sqrt(len(target)))
    scale = unit / size if free_scale and size > 0 else 1.0
    return _apart((scale * marks[0], scale * marks[1]), _invariants(target)) / float(unit)
