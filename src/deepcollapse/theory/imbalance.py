"""Class imbalance: no optimum of generalised DNC in deep networks at small decay."""

from functools import partial

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.linalg import numerical_rank
from deepcollapse.theory.certificate import Certificate, Check, nothing_claimed
from deepcollapse.theory.explicit import NETWORKS, confirmed
from deepcollapse.ufm import Problem, Structure, given, weighted_logits
from deepcollapse.ufm.structures import Pattern, circle, paired_trial, simplex, triangular, triangular_points

__all__ = ["imbalance", "least_penalties", "penalty_depth", "step_samples"]

STATEMENT = "under (R, rho)-step imbalance no generalised DNC point is optimal for small decay, large L and K >= 4"
_LAYERS_MAX = 64


def imbalance(problem: Problem) -> Certificate:
    """Whether a low-rank pattern is below generalised DNC, with samples per class in two sizes.

    Our reading of the paper's appendix A: generalised DNC has the class logits alpha S, S = I - 1 1^T / K, whatever the
    samples per class (simplex-encoded labels), and loses to pairs, T_m or circle. Two statements are computed. (1) At
    this decay: the least loss of each along its scale. (2) As decay -> 0: the scales grow like log(1 / decay), the
    data term vanishes against the penalty, and the pattern X of unit gap with the least sum_i s_i(X D)^(2/M) wins,
    D = diag(sqrt n_k); that sum tends to the rank as L grows, so from some depth on it is not S. The verdict is that
    of this decay; where it is open (None) the depth from which (2) holds is in the numbers.

    Source: arXiv 2410.23169, Appendix A; the numbers are derived.

    >>> problem = Problem(classes=4, layers=4, samples=step_samples(4, 2, ratio=5, share=0.5))
    >>> imbalance(problem).numbers["competitor"], imbalance(problem).holds
    ('paired', True)
    """
    hypotheses = {
        "cross-entropy": problem.loss == "ce",
        "linear activation": problem.activation == "linear",
        "two sizes of classes": len(set(problem.class_samples)) == 2,
        "K >= 4": problem.classes >= 4,
        "width >= classes": problem.d >= problem.classes,
    }
    if not all(hypotheses.values()):
        return nothing_claimed("imbalance", STATEMENT, hypotheses)
    dnc = _at_best_scale(simplex(problem), problem)
    rivals = [rival for rival in (_at_best_scale(p, problem) for p in _rivals(problem)) if rival is not None]
    best = min(rivals, key=lambda rival: rival.loss, default=None)
    small, large = min(problem.class_samples), max(problem.class_samples)
    return Certificate(
        theorem="imbalance",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=_verdict(dnc, best),
        numbers={
            "ratio": large / small,
            "minority_share": problem.class_samples.count(small) / problem.classes,
            "collapse_loss": None if dnc is None else dnc.loss,
            "competitor": None if best is None else best.name,
            "competitor_rank": None if best is None else best.rank,
            "competitor_loss": None if best is None else best.loss,
            "penalties_at_unit_gap": least_penalties(problem),
            "small_decay_depth": penalty_depth(problem),
        },
        recheck=partial(_recheck, problem, (dnc, best)),
        notes=("generalised DNC read as logits alpha (I - 1 1^T / K) for any samples per class",),
    )


def step_samples(classes: int, minority: int, *, ratio: float, share: float) -> tuple[int, ...]:
    """Samples per class of an (R, rho)-step imbalance: the last rho K classes have ``minority``, the others R times it.

    Args:
        classes: K.
        minority: samples of a minority class.
        ratio: R >= 1; R times the minority must be a whole number.
        share: rho in [0, 1]; rho K is rounded to the nearest whole number.

    Raises:
        InvalidInputError: ratio or share out of range.

    >>> step_samples(4, 2, ratio=5, share=0.5)
    (10, 10, 2, 2)
    """
    if not 0 <= share <= 1:
        raise InvalidInputError(f"share: expected a number in [0, 1], but found {share}; give the minority's share")
    many = ratio * minority
    if ratio < 1 or many != int(many):
        raise InvalidInputError(
            f"ratio: expected a number >= 1 whose product with {minority} is whole, but found {ratio}; adjust it"
        )
    few = round(share * classes)
    return (int(many),) * (classes - few) + (minority,) * few


def least_penalties(problem: Problem) -> dict[str, float]:
    """sum_i s_i(X D)^(2/M), D = diag(sqrt n_k), of each pattern X whose least gap is 1: its cost at small decay."""
    return {name: float((values**problem.penalty_power).sum()) for name, values in _unit_gap_values(problem).items()}


def penalty_depth(problem: Problem, *, layers_max: int = _LAYERS_MAX) -> int | None:
    """The least L from which on, up to ``layers_max``, some pattern costs less than S at small decay; None if none."""
    values = _unit_gap_values(problem)
    lost = 0
    for layers in range(1, layers_max + 1):
        costs = {name: (v ** (2.0 / (layers + 1))).sum() for name, v in values.items()}
        if min(costs, key=costs.__getitem__) == "simplex":
            lost = layers
    return lost + 1 if lost < layers_max else None


def _rivals(problem: Problem) -> list[Pattern]:
    patterns = [paired_trial(problem), circle(problem)]
    if triangular_points(problem.classes) is not None:
        patterns.append(triangular(problem))
    return patterns


def _unit_gap_values(problem: Problem) -> dict[str, Float[np.ndarray, " r"]]:
    """Non-zero singular values of X D for S and its rivals, each scaled to least gap 1."""
    found = {}
    for pattern in (simplex(problem), *_rivals(problem)):
        matrix = pattern.matrix((1.0,))
        gaps = np.diagonal(matrix) - np.where(np.eye(problem.classes, dtype=bool), -np.inf, matrix).max(axis=0)
        values = np.linalg.svd(weighted_logits(matrix / gaps.min(), problem), compute_uv=False)
        found[pattern.name] = values[: numerical_rank(values)]
    return found


def _at_best_scale(pattern: Pattern, problem: Problem) -> Structure | None:
    try:
        return given(pattern.matrix((1.0,)), problem, name=pattern.name)
    except UndefinedError:
        return None


def _verdict(dnc: Structure | None, best: Structure | None) -> bool | None:
    """True if a rival is below generalised DNC or that does not exist; open otherwise."""
    if dnc is None:
        return True
    return True if best is not None and best.loss < dnc.loss else None


def _recheck(problem: Problem, points: tuple[Structure | None, Structure | None], certificate: Certificate) -> Check:
    agrees, numbers = True, {}
    for name, point in zip(("collapse_loss", "competitor_loss"), points, strict=True):
        if point is not None:
            fine, numbers[name] = confirmed(point, problem)
            agrees &= fine and certificate.numbers[name] == point.loss
    if len(numbers) == 2:
        lower = numbers["competitor_loss"] < numbers["collapse_loss"]
        agrees &= lower == (certificate.holds is True)
    return Check(agrees, NETWORKS, numbers)
