"""A stationary point of F in logit space: what it is, and whether it is a minimum."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.landscape.fixed_rank import FixedRank, split
from deepcollapse.landscape.naming import structure_name
from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm.losses import loss_gradient
from deepcollapse.ufm.objective import expect_class_logits, logits_objective, weighted_logits
from deepcollapse.ufm.problem import Problem
from deepcollapse.ufm.stationarity import stationarity

__all__ = ["StationaryPoint", "closer", "described", "polished", "rest"]

_LEGS = 50  # of L-BFGS at most; few starts need more than ten
_CLOSE_LEGS = 4  # more, where a soft mode keeps a resting point outside the reach of Newton's method


@dataclass(frozen=True, slots=True)
class StationaryPoint:
    """Class logits at which F is stationary.

    Attributes:
        logits: K x K.
        loss: F.
        rank: of the logits.
        singular_values: the non-zero ones of the K x N logits, non-increasing.
        structure: name of the family member it equals up to a class permutation, or "unnamed".
        gradient_norm: of F along matrices of the same rank.
        minimum: whether it is a local minimum of F over all logits.
    """

    logits: Float[np.ndarray, "K K"]
    loss: float
    rank: int
    singular_values: Float[np.ndarray, " r"]
    structure: str
    gradient_norm: float
    minimum: bool

    def as_json(self) -> dict[str, object]:
        """The point as plain numbers, lists and names."""
        return {
            "loss": self.loss,
            "rank": self.rank,
            "singular_values": self.singular_values.tolist(),
            "structure": self.structure,
            "gradient_norm": self.gradient_norm,
            "logits": self.logits.tolist(),
        }


def polished(logits: Float[np.ndarray, "K K"], problem: Problem, *, rank: int | None = None) -> StationaryPoint:
    """The stationary point that descent from the given logits reaches, solved to rounding by Newton's method.

    The rank is that of the start (or ``rank``), and falls where a singular value goes to zero on the way.

    Args:
        logits: where to start, K x K, not zero.
        problem: the model.
        rank: truncate the start to this rank.

    Raises:
        InvalidInputError: logits of the wrong shape or not finite.
    """
    expect_class_logits(logits, problem)
    values = np.linalg.svd(weighted_logits(logits, problem), compute_uv=False)
    return described(*rest(split(logits, problem, rank=min(rank or values.size, numerical_rank(values))), problem))


def rest(start: Float[np.ndarray, " p"], problem: Problem) -> tuple[FixedRank, Float[np.ndarray, " q"]]:
    """Descend from a point in two-factor coordinates, lowering the rank where a singular value goes to zero."""
    for _ in range(_LEGS):
        manifold = FixedRank(problem, start.size // (2 * problem.classes))
        if not start.size:
            break
        point, resting = manifold.descended(start)
        rank = manifold.shed(point)
        start = point if rank == manifold.rank else split(manifold.logits(point), problem, rank=rank)
        if resting and rank == manifold.rank:
            break
    return FixedRank(problem, start.size // (2 * problem.classes)), start


def closer(manifold: FixedRank, point: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Descend on from a resting point at the same rank, to about double precision."""
    for _ in range(_CLOSE_LEGS):
        point, resting = manifold.descended(point, tolerance=1e-8)
        if resting:
            break
    return point


def described(manifold: FixedRank, point: Float[np.ndarray, " p"]) -> StationaryPoint:
    """Solve for the stationary point nearby, and say what it is."""
    if not point.size:
        return _described(np.zeros((manifold.problem.classes,) * 2), manifold.problem, stable=True)
    refined = manifold.refined(point)
    stable = manifold.least_curvature(refined) >= 0
    return _described(manifold.logits(refined), manifold.problem, stable=stable)


def _described(logits: Float[np.ndarray, "K K"], problem: Problem, *, stable: bool) -> StationaryPoint:
    values = np.linalg.svd(weighted_logits(logits, problem), compute_uv=False)
    values = values[: numerical_rank(values)]
    loss = logits_objective(logits, problem)
    return StationaryPoint(
        logits=logits,
        loss=loss,
        rank=values.size,
        singular_values=values,
        structure=structure_name(logits, loss, problem),
        gradient_norm=stationarity(logits, problem) * problem.mean_decay,
        minimum=stable and _no_descent_to_higher_rank(logits, problem),
    )


def _no_descent_to_higher_rank(logits: Float[np.ndarray, "K K"], problem: Problem) -> bool:
    """For M >= 3 factors a new singular value always costs more than it gains; for M = 2 it must be compared."""
    if problem.factors > 2:
        return True
    root = np.sqrt(np.array(problem.class_samples, dtype=float))
    slope = loss_gradient(logits, np.arange(problem.classes), problem.class_weights, kind=problem.loss) / root
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s)
    outside = slope - u[:, :rank] @ (u[:, :rank].T @ slope)
    outside = outside - (outside @ vt[:rank].T) @ vt[:rank]
    return bool(np.linalg.norm(outside, ord=2) <= problem.mean_decay * (1 + 1e-9))
