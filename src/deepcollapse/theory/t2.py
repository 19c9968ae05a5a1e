"""T2: a structure loses to any correctly classifying matrix of lower rank once the network is deep enough."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import NETWORKS, close, confirmed
from deepcollapse.theory.known import existing, principal_ranks
from deepcollapse.ufm import Problem, Structure, given

__all__ = ["Schedule", "crossing_depth", "t2"]

Schedule = Callable[[int], float]
"""Number of layers -> decay."""

Pattern = str | Float[np.ndarray, "K K"]

STATEMENT = "a structure loses to every diagonally superior matrix of lower rank once L is large enough"
_LAYERS_MAX = 32


def t2(problem: Problem, *, layers_max: int = _LAYERS_MAX) -> Certificate:
    """From which depth on structures of lower rank have the smaller loss, at this problem's decay.

    As L grows, s^(2/M) tends to 1 and the penalty to (M decay / 2) rank, whose difference between two ranks outgrows
    every difference of data losses. ``crossing_depth`` gives the depth for each pair of simplex, pairs, T_m and circle
    that fit the width; where classes differ in size, the one-layer frame (collapse) and alpha S (seli) are among them.

    Args:
        problem: its layers are not used.
        layers_max: the deepest network looked at; a crossing beyond leaves the verdict open (None).

    Source: arXiv 2410.23169 (T2; A1 for any samples per class); the depths are derived.

    >>> t2(Problem(classes=10, layers=2), layers_max=16).numbers["crossing_depth"]["paired below simplex"]
    2
    """
    hypotheses = standing_hypotheses(problem, any_sizes=True) | {
        "K >= 4, so that two named structures differ in rank": problem.classes >= 4
    }
    if outside_model(problem, any_sizes=True) or problem.classes < 4:
        return nothing_claimed("T2", STATEMENT, hypotheses)
    one_decay = problem.replace(decay=problem.mean_decay)
    depths = {
        f"{low} below {high}": crossing_depth(low, high, one_decay, layers_max=layers_max)
        for low, high in _pairs_by_rank(problem)
    }
    return Certificate(
        theorem="T2",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=True if depths and None not in depths.values() else None,
        numbers={"crossing_depth": depths, "layers_max": layers_max, "decay": problem.mean_decay},
        recheck=partial(_recheck, one_decay, layers_max=layers_max),
        notes=_notes(problem, depths, layers_max=layers_max),
    )


def crossing_depth(
    low: Pattern,
    high: Pattern,
    problem: Problem,
    *,
    layers_max: int = _LAYERS_MAX,
    schedule: Schedule | None = None,
) -> int | None:
    """The least L from which on, up to ``layers_max``, the structure of lower rank has the smaller loss; None if none.

    A structure that no longer exists at a depth (its ray has no stationary scale there) has lost to one that does.
    Where neither exists the depth is not counted.

    Args:
        low: name or matrix of class logits up to scale, of the lower rank.
        high: the same, of the higher rank.
        problem: classes, samples and decay; layers and width are not used.
        layers_max: the deepest network looked at.
        schedule: L -> decay; None keeps the (mean) decay at every depth.

    Raises:
        InvalidInputError: the first has not the lower rank, or layers_max < 1.

    >>> crossing_depth("circle", "paired", Problem(classes=10, layers=2))
    5
    """
    if layers_max < 1:
        raise InvalidInputError(f"layers_max: expected at least 1, but found {layers_max}; ask for 32")
    decays = schedule or (lambda _: problem.mean_decay)
    verdicts = [
        _wins(low, high, problem.replace(layers=depth, decay=decays(depth), activation="linear"))
        for depth in range(1, layers_max + 1)
    ]
    counted = [(depth, won) for depth, won in enumerate(verdicts, start=1) if won is not None]
    lost = max((depth for depth, won in counted if not won), default=0)
    return next((depth for depth, _ in counted if depth > lost), None)


def _wins(low: Pattern, high: Pattern, problem: Problem) -> bool | None:
    """Whether the first has the smaller loss; None if neither exists."""
    first, second = _at(low, problem), _at(high, problem)
    if first is not None and second is not None:
        if first.rank >= second.rank:
            raise InvalidInputError(
                f"low: expected a rank below that of the other, {second.rank}, but found {first.rank}; swap the two"
            )
        return first.loss < second.loss
    return None if first is second else second is None


def _at(pattern: Pattern, problem: Problem) -> Structure | None:
    if isinstance(pattern, str):
        return existing(pattern, problem)
    try:
        return given(pattern, problem)
    except UndefinedError:
        return None


def _pairs_by_rank(problem: Problem) -> list[tuple[str, str]]:
    """All (lower, higher) pairs of the structures whose rank is known beforehand and at most the width."""
    listed = principal_ranks(problem.classes)
    if not problem.balanced:
        frame = existing("one-layer-frame", problem.replace(layers=1))
        listed = ({} if frame is None else {frame.name: frame.rank}) | {"seli": listed.pop("simplex")} | listed
    ranks = {name: rank for name, rank in listed.items() if rank <= problem.d}
    return [(low, high) for high in ranks for low in ranks if ranks[low] < ranks[high]]


def _notes(problem: Problem, depths: dict[str, int | None], *, layers_max: int) -> tuple[str, ...]:
    if not depths:
        return (f"no two structures of different rank fit the width {problem.d}",)
    return (f"null: not up to {layers_max} layers at this decay",) if None in depths.values() else ()


def _recheck(problem: Problem, certificate: Certificate, *, layers_max: int) -> Check:
    """Both losses at every crossing, one layer before, half way to the deepest and there, on explicit networks."""
    depths = certificate.numbers["crossing_depth"]
    agrees, numbers = close(certificate.numbers["decay"], problem.mean_decay), {}
    agrees &= certificate.holds is (True if depths and None not in depths.values() else None)
    for pair, depth in depths.items():
        low, high = pair.split(" below ")
        expected_at = {layers_max: False}
        if depth is not None:
            expected_at = {depth - 1: False} | dict.fromkeys((depth, (depth + layers_max) // 2, layers_max), True)
        for layers, expected in expected_at.items():
            if layers < 1:
                continue
            known, won, lead = _measured(low, high, problem.replace(layers=layers))
            agrees &= known and (won is None or won == expected)
            numbers[f"{pair}, L = {layers}"] = lead
    return Check(agrees, NETWORKS, numbers)


def _measured(low: str, high: str, problem: Problem) -> tuple[bool, bool | None, float | None]:
    """Whether the losses are confirmed, whether the first wins, and by how much."""
    points = [existing(name, problem) for name in (low, high)]
    found = [None if point is None else confirmed(point, problem) for point in points]
    fine = all(entry is None or entry[0] for entry in found)
    if found[0] is None or found[1] is None:
        return fine, None if found[0] is found[1] else found[1] is None, None
    lead = found[1][1] - found[0][1]
    return fine, lead > 0, lead
