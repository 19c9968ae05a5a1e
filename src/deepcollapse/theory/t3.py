"""T3: in deep networks the minimiser keeps at most q_K singular values, q_2 = 1 and q_K = 2 otherwise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import root_scalar

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import NETWORKS, close, network_loss, same_loss
from deepcollapse.theory.known import ATLAS_CLASSES, ATLAS_LAYERS, existing, followed, known_points, principal_ranks
from deepcollapse.theory.t2 import Schedule
from deepcollapse.ufm import Problem, Structure
from deepcollapse.ufm.structures import zero

__all__ = ["DEPTHS", "DepthPoint", "least_rank", "minimisers_by_depth", "singular_value_bound", "t3"]

STATEMENT = (
    "with decay o(1/L), all but q_K singular values of the optimal Z / ||Z|| are zero or exponentially small in L"
)
DEPTHS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """The lowest known point at one depth.

    Attributes:
        layers: L.
        decay: at this depth.
        name: of the structure.
        rank: of the logits.
        loss: F.
        singular_values: non-zero ones of Z / ||Z||_F, non-increasing.
        bound: proven upper bound of the (q_K + 1)-th singular value of Z / ||Z||_F at every global minimiser.
        logits: class logits, K x K.
    """

    layers: int
    decay: float
    name: str
    rank: int
    loss: float
    singular_values: Float[np.ndarray, " r"]
    bound: float
    logits: Float[np.ndarray, "K K"]


def t3(problem: Problem, *, depths: tuple[int, ...] = DEPTHS) -> Certificate:
    """Rank and singular values of the lowest known point against depth, with decay_L = decay / L^2.

    The minimisers are followed from depth to depth, not proven; what is proven of every global minimiser is the bound
    on its (q_K + 1)-th singular value (``singular_value_bound``), which falls exponentially with depth. The verdict is
    True if the deepest point keeps at most q_K singular values, None if not yet.

    Args:
        problem: its layers are not used, its (mean) decay is decay_1.
        depths: numbers of layers, increasing.

    Source: arXiv 2410.23169 (T3; A2 for any samples per class); the bound is derived.

    >>> certificate = t3(Problem(classes=5, layers=2))
    >>> certificate.holds, certificate.numbers["depths"][-1]["rank"]
    (True, 2)
    """
    hypotheses = standing_hypotheses(problem, any_sizes=True) | {"decay o(1/L)": True}
    if outside_model(problem, any_sizes=True):
        return nothing_claimed("T3", STATEMENT, hypotheses)
    points = minimisers_by_depth(problem, depths=depths)
    least = least_rank(problem.classes)
    return Certificate(
        theorem="T3",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=True if points[-1].rank <= least else None,
        numbers={
            "least_rank": least,
            "schedule": "decay / L^2",
            "depths": [
                {
                    "layers": point.layers,
                    "structure": point.name,
                    "rank": point.rank,
                    "loss": point.loss,
                    "singular_values": point.singular_values[:4],
                    "bound": point.bound,
                }
                for point in points
            ],
        },
        recheck=partial(_recheck, problem, points),
        notes=("best known points, followed from depth to depth; the bound holds for every global minimiser",),
    )


def least_rank(classes: int) -> int:
    """q_K, the least rank of a matrix that classifies every class correctly: 1 for K = 2, 2 beyond."""
    return 1 if classes == 2 else 2


def minimisers_by_depth(
    problem: Problem, *, depths: tuple[int, ...] = DEPTHS, schedule: Schedule | None = None
) -> tuple[DepthPoint, ...]:
    """The lowest known point at each depth: named structures, atlas entries, and unnamed points of earlier depths.

    Beyond the depths of the atlas an unnamed minimiser is descended to anew from where it was at the depth before,
    until a point of lower rank is below it; by T2 that stays so.

    Args:
        problem: classes, samples and width; layers are not used, nor are decays if there is a schedule.
        depths: numbers of layers, increasing.
        schedule: L -> decay; None is decay / L^2 with the problem's mean decay.

    Raises:
        InvalidInputError: depths are not increasing numbers >= 1.
    """
    if not depths or depths[0] < 1 or list(depths) != sorted(set(depths)):
        raise InvalidInputError(f"depths: expected increasing numbers >= 1, but found {depths}; sort them")
    decays = schedule or (lambda layers: problem.mean_decay / layers**2)
    points: list[DepthPoint] = []
    for layers in depths:
        at = problem.replace(layers=layers, decay=decays(layers), activation="linear")
        found = [point for point in _standing(at, points[-1:]) if point is not None and point.rank <= problem.d]
        points.append(_depth_point(min(found, key=lambda point: (point.loss, point.rank)), at))
    return tuple(points)


def singular_value_bound(loss: float, problem: Problem) -> float:
    """Upper bound of the (q + 1)-th singular value of Z / ||Z||_F over all Z with F(Z) <= loss, q = q_K. Derived.

    (1) Such Z has a data term of at most the loss; a column of norm t costs at least
    log(1 + (K-1) e^(-t sqrt(K/(K-1)))), which is convex and falls with t, so by Jensen
    ||Z||_F >= sqrt(N (K-1) / K) alpha with log(1 + (K-1) e^-alpha) = loss, N the number of samples. (2) Then
    s_1 >= ||Z||_F / sqrt(K), and the penalty leaves q equal values t = s_2 = ... = s_{q+1} at most:
    s_1^(2/M) + q t^(2/M) <= 2 loss / (M decay). At the least loss it decreases exponentially with M if M decay falls
    to 0. Never above 1 / sqrt(q + 1), which is true of every matrix.
    """
    k, q = problem.classes, least_rank(problem.classes)
    excess = (k - 1) / math.expm1(loss)
    trivial = 1.0 / math.sqrt(q + 1.0)
    if excess <= 1.0:
        return trivial
    norm = math.sqrt(problem.total_samples * (k - 1) / k) * math.log(excess)
    budget = 2.0 * loss / (problem.factors * problem.mean_decay)
    left = budget - (norm / math.sqrt(k)) ** problem.penalty_power
    return min(trivial, (max(left, 0.0) / q) ** (problem.factors / 2.0) / norm)


def _standing(problem: Problem, last: list[DepthPoint]) -> list[Structure | None]:
    """All known points and the last minimiser moved; beyond the atlas's classes only the principal named ones."""
    if problem.classes not in ATLAS_CLASSES:
        return [zero(problem), *(existing(name, problem) for name in principal_ranks(problem.classes))]
    unnamed = [point for point in last if point.name.startswith("unnamed") and problem.layers not in ATLAS_LAYERS]
    return [*known_points(problem), *(followed(point.logits, problem, rank=point.rank) for point in unnamed)]


def _depth_point(point: Structure, problem: Problem) -> DepthPoint:
    norm = np.linalg.norm(point.singular_values)
    return DepthPoint(
        layers=problem.layers,
        decay=problem.mean_decay,
        name=point.name,
        rank=point.rank,
        loss=point.loss,
        singular_values=point.singular_values / norm if norm > 0 else point.singular_values,
        bound=singular_value_bound(point.loss, problem),
        logits=point.logits,
    )


def _recheck(problem: Problem, points: tuple[DepthPoint, ...], certificate: Certificate) -> Check:
    """At every depth: the row from the logits alone, and independent points, which must not cost less.

    The bound is tested on these points too, each at its own loss, and the row's bound by the equation that it solves.
    """
    rows, q = certificate.numbers["depths"], certificate.numbers["least_rank"]
    agrees, numbers = q == min(2, problem.classes - 1) and len(rows) == len(points), {}
    for row, point in zip(rows, points, strict=False):
        at = problem.replace(layers=point.layers, decay=problem.mean_decay / row["layers"] ** 2, activation="linear")
        loss = network_loss(point.logits, at, rank=point.rank)
        agrees &= _row_agrees(row, point.logits, at) and same_loss(loss, row["loss"], logits=point.logits)
        agrees &= row["structure"] == point.name and _others_obey(row["loss"], at)
        numbers[f"loss, L = {point.layers}"] = loss
    expected = True if rows[-1]["rank"] <= q else None
    return Check(agrees and certificate.holds is expected, NETWORKS, numbers)


def _row_agrees(row: Mapping[str, Any], logits: Float[np.ndarray, "K K"], problem: Problem) -> bool:
    """Depth, rank, singular values and bound of one row against the singular values of the logits."""
    values = np.linalg.svd(logits * np.sqrt(np.array(problem.class_samples, dtype=float)), compute_uv=False)
    rank = int((values > 1e-10 * max(values[0], 1e-300)).sum())
    values = values[:rank] / max(np.linalg.norm(values), 1e-300)
    shown, q = np.asarray(row["singular_values"]), least_rank(problem.classes)
    fits = shown.size == min(4, rank) and np.allclose(shown, values[: shown.size], rtol=1e-9, atol=1e-12)
    obeys = rank <= q or values[q] <= row["bound"] * (1.0 + 1e-9)
    return (row["layers"], row["rank"]) == (problem.layers, rank) and fits and obeys and _solves(row, problem)


def _solves(row: Mapping[str, Any], problem: Problem) -> bool:
    """Whether the bound t solves (nu / sqrt(K))^(2/M) + q (t nu)^(2/M) = 2 loss / (M decay), unless it is trivial."""
    k, q, power = problem.classes, least_rank(problem.classes), problem.penalty_power
    if row["loss"] >= math.log(k) * (1.0 - 1e-12):
        return close(row["bound"], 1.0 / math.sqrt(q + 1.0))
    alpha = root_scalar(lambda a: math.log1p((k - 1) * math.exp(-a)) - row["loss"], bracket=(0.0, 800.0)).root
    nu, budget = math.sqrt(problem.total_samples * (k - 1) / k) * alpha, power * row["loss"] / problem.mean_decay
    left = (nu / math.sqrt(k)) ** power + q * (row["bound"] * nu) ** power
    if row["bound"] in (0.0, 1.0 / math.sqrt(q + 1.0)):
        return left >= budget * (1.0 - 1e-9) if row["bound"] == 0.0 else left <= budget * (1.0 + 1e-9)
    return math.isclose(left, budget, rel_tol=1e-9 + 4e-9 * power)


def _others_obey(loss: float, problem: Problem) -> bool:
    """Whether no independent point that fits costs less than the row's, and each obeys the bound at its own loss."""
    q = least_rank(problem.classes)
    named = (existing(name, problem) for name in principal_ranks(problem.classes) if problem.classes >= 4)
    for point in (point for point in named if point is not None and point.rank <= problem.d):
        cost = network_loss(point.logits, problem, rank=point.rank)
        share = point.singular_values[q] / np.linalg.norm(point.singular_values) if point.rank > q else 0.0
        if cost < loss * (1.0 - 1e-9) or share > singular_value_bound(cost, problem) * (1.0 + 1e-9):
            return False
    return zero(problem).loss >= loss * (1.0 - 1e-9)
