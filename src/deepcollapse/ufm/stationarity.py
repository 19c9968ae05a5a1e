"""How far class logits are from a critical point of F on the matrices of their rank."""

import numpy as np
from jaxtyping import Float

from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm.losses import loss_gradient
from deepcollapse.ufm.objective import expect_class_logits, weighted_logits
from deepcollapse.ufm.problem import Problem

__all__ = ["is_critical", "stationarity"]

_CRITICAL = 1e-6  # in units of the decay: far above rounding, far below any trial point seen


def stationarity(logits: Float[np.ndarray, "K K"], problem: Problem, *, rtol: float = 1e-10) -> float:
    """Norm of the gradient of F along matrices of the same rank, over the decay; zero exactly at critical points.

    With Z = U diag(s) V^T, G = dg/dZ and R = G + decay U diag(s^(2/M - 1)) V^T it is the norm of the part of R in the
    tangent space, U U^T R + R V V^T - U U^T R V V^T. For M >= 3 directions of higher rank always cost more; for M = 2
    they need G's part outside to be below the decay, which this number does not test.

    Args:
        logits: class logits, K x K.
        problem: the model.
        rtol: singular values below this share of the largest count as zero.
    """
    expect_class_logits(logits, problem)
    root = np.sqrt(np.array(problem.class_samples, dtype=float))
    gradient = loss_gradient(logits, np.arange(problem.classes), problem.class_weights, kind=problem.loss) / root
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s, rtol=rtol)
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]
    residual = gradient + problem.mean_decay * (u * s ** (problem.penalty_power - 1.0)) @ vt
    left, right = u @ (u.T @ residual), (residual @ vt.T) @ vt
    tangent = left + right - u @ (u.T @ right)
    return float(np.linalg.norm(tangent) / problem.mean_decay)


def is_critical(logits: Float[np.ndarray, "K K"], problem: Problem) -> bool:
    """Whether the gradient of F along matrices of the same rank is zero to rounding, relative to the decay."""
    return stationarity(logits, problem) < _CRITICAL
