"""Class imbalance: no optimum of generalised DNC in deep networks at small decay."""

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.special import entr, softmax

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import polished
from deepcollapse.linalg import numerical_rank
from deepcollapse.theory.certificate import Certificate, Check, nothing_claimed
from deepcollapse.theory.explicit import network_loss
from deepcollapse.theory.known import existing, fitting_collapse
from deepcollapse.ufm import (
    Problem,
    Structure,
    collapse,
    logits_objective,
    one_layer_minimum,
    stationarity,
    weighted_logits,
)
from deepcollapse.ufm.structures import Pattern, circle, paired_trial, simplex, triangular, triangular_points

__all__ = ["descended", "imbalance", "least_penalties", "penalty_depth", "step_samples"]

STATEMENT = "under (R, rho)-step imbalance no generalised DNC point is optimal for small decay, large L and K >= 4"
ONE_DECAY = "one decay for all factors"
SMALL = "decay small enough: the frame has rank K - 1"
DEEP = "L large enough: at least small_decay_depth"
_LARGEST_DESCENT = 2000  # numbers in the two factors of the logits; the second derivative has the square of it
_CRITICAL = 1e-6  # of the gradient, in decays
_LAYERS_MAX = 64
_LIMIT_DECAY = 2.0**-200  # log(1 / decay) is then 139: scales differ by a few percent from their limits
_METHOD = "a dual bound of the one-layer minimum; explicit networks at this depth and around that of small decay"


def imbalance(problem: Problem) -> Certificate:
    """Whether a low-rank point is below every generalised DNC point, with samples per class in two sizes.

    Generalised DNC is every matrix proportional to Z*, the unique minimiser of the one-layer model at this decay
    (``ufm.one_layer_minimum``); the least of them is the structure "one-layer-frame". Two statements are computed. (1)
    At this decay: the frame's loss at its best scale, against the critical points that descent from pairs, T_m and
    circle leads to. (2) As decay -> 0: the frame tends to S = I - 1 1^T / K, the scales grow like log(1 / decay), the
    data term vanishes against the penalty, and the pattern X of unit gap with the least sum_i s_i(X D)^(2/M) wins,
    D = diag(sqrt n_k); that sum tends to the rank as L grows, so from some depth on it is not S. The paper's decay and
    depth are not explicit; ``applies`` asks for the depth of (2) and a frame of the rank of its limit. The verdict is
    that of this decay: True if such a point or Z = 0 is below the frame, or the frame has no stationary scale; False
    for L = 1, where Z* is the global minimum; else None.

    Source: arXiv 2410.23169, Appendix A; the numbers are derived.

    >>> problem = Problem(classes=4, layers=2, samples=step_samples(4, 2, ratio=5, share=0.5))
    >>> found = imbalance(problem)
    >>> found.holds, found.numbers["competitor"], round(found.numbers["competitor_loss"], 7)
    (True, 'descended from paired', 0.0302957)
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
    frame, limits = fitting_collapse(problem), _limits(problem)
    best = _lowest_rival(problem, frame)
    deep_from = limits["small_decay_depth"]
    hypotheses |= {
        ONE_DECAY: len(set(problem.factor_decays)) == 1,
        SMALL: frame is not None and frame.rank == problem.classes - 1,
        DEEP: deep_from is not None and problem.layers >= deep_from,
    }
    return Certificate(
        theorem="imbalance",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=_verdict(problem, frame, best),
        numbers=_sizes(problem) | _losses(problem, frame, best) | limits,
        recheck=partial(_recheck, problem, (frame, best)),
        notes=_notes(problem, frame),
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
        if min(costs, key=costs.__getitem__) == "seli":
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
        found["seli" if pattern.name == "simplex" else pattern.name] = values[: numerical_rank(values)]
    return found


def descended(problem: Problem) -> tuple[Structure, ...]:
    """The critical points that descent from the frame and from low-rank patterns leads to, by increasing loss.

    A pattern of rank r with 2 K r > 2000 is not descended from, because Newton's method costs O((K r)^3).

    >>> problem = Problem(classes=4, layers=2, samples=(10, 10, 2, 2))
    >>> [(point.name, point.rank, round(point.loss, 7)) for point in descended(problem)][0]
    ('descended from paired', 2, 0.0302957)
    """
    starts = [fitting_collapse(problem), *(existing(pattern.name, problem) for pattern in _rivals(problem))]
    moving = (start for start in starts if start is not None and not start.critical and _small(start, problem))
    found = [_descended(start, problem) for start in moving]
    fitting = (point for point in found if point is not None and point.rank <= problem.d)
    return tuple(sorted(fitting, key=lambda point: point.loss))


def _small(start: Structure, problem: Problem) -> bool:
    return 2 * problem.classes * start.rank <= _LARGEST_DESCENT


def _descended(start: Structure, problem: Problem) -> Structure | None:
    """None where it leads to 0."""
    point = polished(start.logits, problem, rank=start.rank)
    if point.rank == 0:
        return None
    name, values = f"descended from {start.name}", point.singular_values
    critical = point.gradient_norm <= _CRITICAL * problem.mean_decay
    return Structure(name, (), point.loss, point.rank, values, critical, lambda _: point.logits)


def _lowest_rival(problem: Problem, frame: Structure | None) -> Structure | None:
    """The lowest critical point that a pattern leads to, or a pattern too large to descend from; None without."""
    trials = (existing(pattern.name, problem) for pattern in _rivals(problem))
    large = [trial for trial in trials if trial is not None and not _small(trial, problem)]
    from_frame = "" if frame is None else f"descended from {frame.name}"
    low = [point for point in descended(problem) if point.name != from_frame]
    return min((*low, *large), key=lambda point: point.loss, default=None)


def _verdict(problem: Problem, frame: Structure | None, best: Structure | None) -> bool | None:
    if problem.layers == 1:
        return frame is None
    if frame is None:
        return True
    lowest = min(np.log(problem.classes), np.inf if best is None else best.loss)
    return True if lowest < frame.loss * (1.0 - 1e-12) else None


def _sizes(problem: Problem) -> dict[str, object]:
    small, large = min(problem.class_samples), max(problem.class_samples)
    few = problem.class_samples.count(small)
    coincide = float(np.sqrt(small)) / problem.total_samples if few > 1 else None
    return {"ratio": large / small, "minority_share": few / problem.classes, "minority_collapse_decay": coincide}


def _losses(problem: Problem, frame: Structure | None, best: Structure | None) -> dict[str, object]:
    return {
        "collapse_loss": None if frame is None else frame.loss,
        "collapse_rank": None if frame is None else frame.rank,
        "collapse_gradient": None if frame is None else stationarity(frame.logits, problem),
        "one_layer_gap": None if frame is None else one_layer_minimum(problem).gap,
        "competitor": None if best is None else best.name,
        "competitor_rank": None if best is None else best.rank,
        "competitor_loss": None if best is None else best.loss,
    }


def _limits(problem: Problem) -> dict[str, Any]:
    return {"penalties_at_unit_gap": least_penalties(problem), "small_decay_depth": penalty_depth(problem)}


def _notes(problem: Problem, frame: Structure | None) -> tuple[str, ...]:
    if frame is None:
        return ("the one-layer minimiser is 0 at this decay, or no scale of it is stationary; lower the decay",)
    if problem.layers == 1:
        return ("L = 1: the one-layer minimiser is the global minimum",)
    return () if frame.critical else ("the frame is no critical point: descent from it goes lower",)


def _recheck(problem: Problem, points: tuple[Structure | None, Structure | None], certificate: Certificate) -> Check:
    """Z* by duality on K x K matrices, both losses on networks at their own scales, and the depths of small decay."""
    agrees, numbers = _depths_agree(problem, certificate.numbers["small_decay_depth"]), {}
    frame = points[0]
    if frame is not None:
        logits = one_layer_minimum(problem).logits
        numbers["one_layer_bound"] = _dual_bound(logits, problem)
        loss = logits_objective(logits, problem.replace(layers=1, decay=problem.mean_decay))
        agrees &= loss - numbers["one_layer_bound"] <= 1e-9 * loss
    for name, point in zip(("collapse_loss", "competitor_loss"), points, strict=True):
        if point is not None:
            numbers[name] = _least_along(point, problem)
            agrees &= abs(numbers[name] - certificate.numbers[name]) <= 1e-7 * point.loss
    if frame is not None and problem.layers > 1:
        lowest = min(np.log(problem.classes), numbers.get("competitor_loss", np.inf))
        agrees &= (lowest < numbers["collapse_loss"]) == (certificate.holds is True)
    elif frame is not None:
        agrees &= numbers.get("competitor_loss", np.inf) >= numbers["collapse_loss"] * (1.0 - 1e-9)
    return Check(bool(agrees), _METHOD, numbers)


def _dual_bound(logits: Float[np.ndarray, "K K"], problem: Problem) -> float:
    """Lower bound of every one-layer loss: the mean entropy of probabilities that the decay allows."""
    weights, roots = problem.class_weights, np.sqrt(np.array(problem.class_samples, dtype=float))
    away = np.eye(problem.classes) - softmax(logits, axis=0)
    share = min(1.0, problem.mean_decay / np.linalg.norm(away * (weights / roots), ord=2))
    return float(entr(np.clip(np.eye(problem.classes) - share * away, 0.0, 1.0)).sum(axis=0) @ weights)


def _least_along(point: Structure, problem: Problem) -> float:
    """The least loss of explicit networks whose logits are the point's at a scale from a half to twice its own."""
    found = minimize_scalar(
        lambda scale: network_loss(scale * point.logits, problem, rank=point.rank), bounds=(0.5, 2.0), method="bounded"
    )
    return float(found.fun)


def _depths_agree(problem: Problem, depth: int | None) -> bool:
    """Whether at a tiny decay the frame loses to a pattern from the depth given on, and not one layer before."""
    if depth is None:
        return True
    deeper = (depth - 1, depth, depth + 1, 2 * depth)
    return all(_pattern_below(problem, layers) is (layers >= depth) for layers in deeper if layers > 0)


def _pattern_below(problem: Problem, layers: int) -> bool:
    """Whether a named pattern costs less than the frame at the tiny decay, both on explicit networks."""
    at = problem.replace(layers=layers, decay=_LIMIT_DECAY, width=problem.classes)
    points = [collapse(at), *filter(None, (existing(pattern.name, at) for pattern in _rivals(at)))]
    frame, *others = (network_loss(point.logits, at, rank=point.rank) for point in points)
    return min(others, default=np.inf) < frame
