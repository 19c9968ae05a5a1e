"""Balanced factorisations: from class logits to factors of any width, and back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.linalg import haar_frame, numerical_rank
from deepcollapse.ufm.network import Factors, expect_factors, forward
from deepcollapse.ufm.objective import expect_class_logits, weighted_logits
from deepcollapse.ufm.problem import Problem

__all__ = ["Reading", "balanced_factors", "read_factors"]


def balanced_factors(
    logits: Float[np.ndarray, "K K"], problem: Problem, generator: np.random.Generator | None = None
) -> Factors:
    """The cheapest factors of width d whose logits are Zbar repeated over the samples.

    With Z = U diag(s) V^T of rank r and orthonormal frames Q_l (d x r): H_1 = Q_1 S_0 V^T, W_l = Q_{l+1} S_l Q_l^T,
    W_L = U S_L Q_L^T, where S_l = diag(s^(1/M)) (decay / decay_l)^(1/2) and decay is the geometric mean. Their decay
    cost is the Schatten penalty of Z. The frames are the gauge freedom: dimension L (r d - r (r + 1) / 2).

    Args:
        logits: class logits Zbar, K x K.
        problem: gives samples, layers, width and decays.
        generator: draws Haar-random frames; None takes the first r coordinate axes.

    Raises:
        InvalidInputError: the width is below the rank of the logits.

    Source: arXiv 2410.23169, Lemma 1 (balancedness); per-factor decays derived.
    """
    expect_class_logits(logits, problem)
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s)
    if rank > problem.d:
        raise InvalidInputError(f"width: expected at least the rank {rank} of the logits, but found {problem.d}; widen")
    root = np.sqrt(np.array(problem.class_samples, dtype=float))
    rows = np.repeat(vt[:rank] / root, problem.class_samples, axis=1)
    width = problem.d
    frames = [
        np.eye(width, rank) if generator is None else haar_frame(width, rank, generator=generator)
        for _ in range(problem.layers)
    ]
    shared = s[:rank] ** (1.0 / problem.factors)
    sizes = [shared * np.sqrt(problem.mean_decay / decay) for decay in problem.factor_decays]
    hidden = [(frames[i + 1] * sizes[i + 1]) @ frames[i].T for i in range(problem.layers - 1)]
    return ((frames[0] * sizes[0]) @ rows, *hidden, (u[:, :rank] * sizes[-1]) @ frames[-1].T)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a set of factors computes: class logits, spread within classes, singular values, balancedness.

    Attributes:
        logits: class means of the logits, K x K.
        singular_values: of the K x N logits, non-increasing, min(K, N) of them.
        within_class: ||Z - class means|| / ||Z||, zero at collapse.
        imbalance: largest ||decay_{l+1} A_{l+1}^T A_{l+1} - decay_l A_l A_l^T|| over adjacent factors, relative to the
            largest term; zero at every critical point of the linear model.
    """

    logits: Float[np.ndarray, "K K"]
    singular_values: Float[np.ndarray, " r"]
    within_class: float
    imbalance: float


def read_factors(factors: Factors, problem: Problem) -> Reading:
    """Read logits, singular values and balancedness off given factors (the inverse of ``balanced_factors``)."""
    expect_factors(factors, problem)
    output = forward(factors, problem)
    starts = np.concatenate([[0], np.cumsum(problem.class_samples)[:-1]])
    means = np.add.reduceat(output, starts, axis=1) / np.array(problem.class_samples, dtype=float)
    size = np.linalg.norm(output)
    spread = np.linalg.norm(output - np.repeat(means, problem.class_samples, axis=1))
    return Reading(
        logits=means,
        singular_values=np.linalg.svd(output, compute_uv=False),
        within_class=float(spread / size) if size > 0 else 0.0,
        imbalance=_imbalance(factors, problem),
    )


def _imbalance(factors: Factors, problem: Problem) -> float:
    decays = problem.factor_decays
    residual, size = 0.0, 0.0
    for index in range(problem.layers):
        before = decays[index] * factors[index] @ factors[index].T
        after = decays[index + 1] * factors[index + 1].T @ factors[index + 1]
        residual = max(residual, float(np.linalg.norm(after - before)))
        size = max(size, float(np.linalg.norm(after)), float(np.linalg.norm(before)))
    return residual / size if size > 0 else 0.0
