"""The atlas's points at any decay and number of samples."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from deepcollapse.landscape.atlas import AtlasEntry, region
from deepcollapse.landscape.batch import Objective
from deepcollapse.landscape.point import StationaryPoint, polished
from deepcollapse.landscape.ranks import Codes, Pool, code_of, descended, merged, scaled
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.structures import Structure, diagonally_superior, structures

__all__ = ["CRITICAL", "Carried", "carried", "effective_decay", "frontier", "is_wanted", "moved"]

CRITICAL = 3e-5
"""Gradient norm in decays of a point, at most: Newton's method may stop above where a direction is about to vanish."""
_SAME = 1e-7  # relative difference in loss up to which a point counts as a named structure of its rank
_KEPT = 3
_ONE_DIRECTION = 2.0**-7  # decays below are too small for logits of rank 1, which for two classes have a name
_WITHIN = 2.0  # of the lowest loss; codes of rank 1 are above where they do not classify, and move off without end


@dataclass(frozen=True, slots=True)
class Carried:
    """A point of the atlas at the decay and samples asked for.

    Attributes:
        point: what it has become there.
        entry: where it was carried from.
    """

    point: StationaryPoint
    entry: AtlasEntry


def effective_decay(problem: Problem) -> float:
    """The decay times n^(1/M), on which alone F depends, as a function of the class logits."""
    return problem.mean_decay * problem.class_samples[0] ** (1.0 / problem.factors)


@lru_cache(maxsize=32)
def carried(problem: Problem) -> tuple[Carried, ...]:
    """Points without a name that no named structure and no other carried point of at most their rank undercuts.

    Every entry of this K and L is followed to this decay; codes that lose a singular value on the way go on at lower
    rank. F depends on lambda n^(1/M) alone, so samples need no entries. Where a point does not classify every class
    correctly, the lowest one that does is kept as well. By increasing rank; empty outside the atlas. Nothing is proven
    globally minimal.

    Args:
        problem: its width is not used.
    """
    found = region(problem.classes, problem.layers)
    if found is None or problem.loss != "ce" or not problem.balanced:
        return ()
    linear = problem.replace(activation="linear", width=None)
    objective = Objective(layers=problem.layers, decay=effective_decay(problem))
    pool, kept = moved(found.entries, objective), []
    for rank, code in frontier(pool, objective, named=structures(linear)):
        point = polished(code.logits[0], linear, rank=rank)
        if is_wanted(point, linear):
            kept.append(Carried(point, found.entries[code.origins[0]]))
    return tuple(kept)


def is_wanted(point: StationaryPoint, problem: Problem) -> bool:
    """Whether a polished point is stationary and has no name; points on the way down to Z = 0 are not stationary."""
    return point.rank > 0 and point.structure == "unnamed" and point.gradient_norm <= CRITICAL * problem.mean_decay


def moved(entries: Iterable[AtlasEntry], objective: Objective) -> Pool:
    """What the entries become at another decay, as codes labelled by the entry's index."""
    pools = []
    for index, entry in enumerate(entries):
        if entry.rank >= (1 if objective.decay >= _ONE_DIRECTION else 2):
            pool = {entry.rank: code_of(entry.logits, rank=entry.rank, origin=index)}
            pools.append(scaled(pool, before=entry.decay, after=objective.decay))
    return descended(merged(pools), objective, kept=_KEPT)


def frontier(pool: Pool, objective: Objective, *, named: tuple[Structure, ...]) -> list[tuple[int, Codes]]:
    """Codes with a lower F than named structures and codes of at most their rank, by increasing rank.

    Once among all points, once among those that classify every class correctly; never at more than twice the lowest F.
    """
    correct = tuple(point for point in named if diagonally_superior(point.logits))
    bounds = _least(named, pool, objective), _least(correct, pool, objective)
    lowest = min((objective.value_and_gradient(codes.factors)[0].min() for codes in pool.values()), default=np.inf)
    found = []
    for rank in sorted(pool):
        values = objective.value_and_gradient(pool[rank].factors)[0]
        superior = diagonally_superior(pool[rank].logits)
        for index, value in enumerate(values):
            rivals = bounds if superior[index] else bounds[:1]
            if value < _WITHIN * lowest and any(value < bound[rank] * (1.0 - _SAME) for bound in rivals):
                found.append((rank, pool[rank][index : index + 1]))
            for bound in rivals:
                bound[rank:] = np.minimum(bound[rank:], value)
    return found


def _least(named: tuple[Structure, ...], pool: Pool, objective: Objective) -> Float[np.ndarray, " ranks"]:
    """The least loss over the decay of the structures of at most each rank, from 0 up."""
    least = np.full(max(pool, default=0) + 1, np.inf)
    for point in named:
        least[point.rank :] = np.minimum(least[point.rank :], point.loss / objective.decay)
    return least
