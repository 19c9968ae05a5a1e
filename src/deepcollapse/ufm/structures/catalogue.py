"""All named structures of a problem, and one by its name."""

import math
import re
from collections.abc import Callable, Iterator

import numpy as np

from deepcollapse.errors import InvalidInputError, TooLargeError, UndefinedError
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.structures.families import (
    circle,
    orthogonal_frame,
    paired_trial,
    partition,
    simplex,
    triangular,
    triangular_points,
)
from deepcollapse.ufm.structures.given import given
from deepcollapse.ufm.structures.one_layer_frame import one_layer_frame
from deepcollapse.ufm.structures.pattern import Pattern, Structure, solve, zero
from deepcollapse.ufm.structures.relaxed import relaxed_pairs

__all__ = ["collapse", "structure", "structures"]

_LARGEST_LISTED = 4000  # the best partition costs O(K^2)
_ALL_PARTITIONS = 12  # up to this K every partition is listed, beyond it the equal ones and the best


def collapse(problem: Problem) -> Structure:
    """Deep neural collapse: the simplex for cross-entropy, the orthogonal frame for the squared error.

    Where classes differ in size it is the one-layer frame, in general a critical point for L = 1 only.

    Raises:
        UndefinedError: at this decay it does not exist.
        TooLargeError: more than 256 distinct class sizes.
    """
    if not problem.balanced:
        return one_layer_frame(problem)
    return _solved((simplex if problem.loss == "ce" else orthogonal_frame)(problem), problem)


def structures(problem: Problem) -> tuple[Structure, ...]:
    """Every named structure that exists at this decay and fits the width, by increasing loss; Z = 0 included.

    Up to 12 classes all partitions are listed; beyond, those into equal groups and the best one.

    Raises:
        TooLargeError: more than 4,000 classes.
    """
    if problem.classes > _LARGEST_LISTED:
        raise TooLargeError(
            f"classes: expected at most {_LARGEST_LISTED} to list all structures, but found {problem.classes}; "
            f'ask for one by its name: structure("simplex", problem), or deepcollapse spectrum --at simplex'
        )
    found = [zero(problem)]
    for make in _members(problem):
        try:
            found.append(make())
        except UndefinedError:
            continue
    return tuple(sorted((s for s in found if s.rank <= problem.d), key=lambda s: (s.loss, s.rank)))


def structure(name: str, problem: Problem) -> Structure:
    """The structure of that name: "simplex" or "dnc", "paired", "partition-2-2-6", "T5", "circle", "zero", ...

    Where classes differ in size, "dnc" is the "one-layer-frame" and alpha (I - 1 1^T / K) is "seli"; where they do not,
    these are collapse and the simplex. A point comes back under the name of what it is, whatever name it was asked by.

    Raises:
        InvalidInputError: an unknown name, or one that does not fit the number of classes.
        UndefinedError: it does not exist at this decay.
    """
    lowered = name.lower()
    if lowered == "zero":
        return zero(problem)
    if lowered in ("dnc", "one-layer-frame"):
        return collapse(problem)
    if lowered == "paired" and problem.classes % 2 == 1 and problem.balanced and problem.loss == "ce":
        return relaxed_pairs(problem)
    if lowered in ("paired", "paired-trial"):
        return _solved(paired_trial(problem), problem)
    if sizes := re.fullmatch(r"partition((?:-[0-9]{1,9})+)", lowered):
        return _solved(partition(tuple(map(int, sizes[1].split("-")[1:])), problem), problem)
    if points := re.fullmatch(r"t_?([0-9]{1,9})", lowered):
        return _solved(_triangular_of(int(points[1]), problem), problem)
    simple = {"simplex": simplex, "seli": simplex, "orthogonal-frame": orthogonal_frame, "circle": circle}
    if lowered not in simple:
        raise InvalidInputError(
            f"structure: expected dnc, simplex, orthogonal-frame, one-layer-frame, seli, paired, paired-trial, "
            f"partition-2-2-6 (sizes), T5 (points), circle or zero, but found {name!r}; choose one of these"
        )
    return _solved(simple[lowered](problem), problem)


def _triangular_of(points: int, problem: Problem) -> Pattern:
    if triangular_points(problem.classes) != points or points < 3:
        raise InvalidInputError(
            f"structure: expected K = m (m - 1) / 2 = {points * (points - 1) // 2} classes for T{points}, but found "
            f"{problem.classes}; choose such a K or another structure"
        )
    return triangular(problem)


def _solved(pattern: Pattern, problem: Problem) -> Structure:
    """Under class imbalance the closed forms do not hold: the pattern with unit scales becomes a trial point."""
    if problem.balanced:
        return solve(pattern, problem)
    name = "seli" if pattern.name == "simplex" else pattern.name
    return given(pattern.matrix((1.0,) * len(pattern.blocks)), problem, name=name)


def _members(problem: Problem) -> Iterator[Callable[[], Structure]]:
    k = problem.classes
    patterns = [simplex(problem)]
    if problem.loss == "mse":
        patterns.append(orthogonal_frame(problem))
    if k >= 4 and (k % 2 == 0 or problem.loss == "ce"):
        patterns.append(paired_trial(problem))
    patterns += [partition(sizes, problem) for sizes in _listed_partitions(problem)]
    if k > 6 and triangular_points(k):  # T3 is the simplex and T4 the pairs
        patterns.append(triangular(problem))
    if k >= 5:
        patterns.append(circle(problem))
    for pattern in patterns:
        yield lambda pattern=pattern: _solved(pattern, problem)
    if not problem.balanced:
        yield lambda: one_layer_frame(problem)
    if k % 2 == 1 and k >= 5 and problem.loss == "ce" and problem.balanced:
        yield lambda: relaxed_pairs(problem)


def _listed_partitions(problem: Problem) -> set[tuple[int, ...]]:
    """Partitions into groups of at least two, neither the simplex nor the pairs."""
    k = problem.classes
    if k <= _ALL_PARTITIONS:
        chosen = set(_partitions(k, least=2))
    else:
        chosen = {(size,) * (k // size) for size in range(2, k // 2 + 1) if k % size == 0}
        chosen |= {_best_partition(problem)} if problem.balanced else set()
    return chosen - {(k,), (2,) * (k // 2)}


def _partitions(total: int, *, least: int) -> Iterator[tuple[int, ...]]:
    if total >= least:
        yield (total,)
    for first in range(least, total // 2 + 1):
        yield from ((first, *rest) for rest in _partitions(total - first, least=first))


def _best_partition(problem: Problem) -> tuple[int, ...]:
    """The cheapest partition: groups do not interact, so it is a knapsack over group sizes."""
    zero_loss = zero(problem).loss

    def cost(size: int) -> float:
        share = size / problem.classes
        block = partition((size, *(1,) * (problem.classes - size)), problem).blocks[0]
        try:
            loss = Ray(block, problem).loss(Ray(block, problem).minimum())
        except UndefinedError:
            return share * zero_loss
        return loss - (1 - share) * zero_loss

    costs = [math.inf, math.inf, *(cost(size) for size in range(2, problem.classes + 1))]
    best, last = [0.0], [0]
    for total in range(1, problem.classes + 1):
        sums = [best[total - size] + costs[size] for size in range(1, total + 1)]
        last.append(1 + int(np.argmin(sums)))
        best.append(sums[last[-1] - 1])
    sizes, total = [], problem.classes
    while total:
        sizes.append(last[total])
        total -= last[total]
    return tuple(sorted(sizes))
