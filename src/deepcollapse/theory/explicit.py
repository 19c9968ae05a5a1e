"""Losses measured on explicit networks: the second opinion behind a certificate's check."""

import math

import numpy as np
from jaxtyping import Float

from deepcollapse.ufm import Problem, Structure, balanced_factors, regularised_loss, stationarity

__all__ = ["NETWORKS", "close", "confirmed", "network_loss", "same_loss"]

NETWORKS = "forward pass and squared norms of explicit balanced networks with random frames; stationarity"
"""The method, as a check names it."""

_SHIFT = 1e-3
_STATIONARY = 1e-6
_WIDE_ENTRIES = 1_000_000  # hidden weights beyond which a network is as narrow as its rank


def network_loss(logits: Float[np.ndarray, "K K"], problem: Problem, *, rank: int) -> float:
    """Regularised loss of a linear network of the problem's own width, or of the logits' rank where that is large.

    Forward pass and squared norms of balanced factors with random frames; no Schatten penalty and no closed form of the
    loss.
    """
    wide = problem.layers * problem.d**2 > _WIDE_ENTRIES
    at = problem.replace(width=max(rank, 1) if wide else problem.d, activation="linear")
    return regularised_loss(balanced_factors(logits, at, np.random.default_rng(0)), at)


def same_loss(first: float, second: float, *, logits: Float[np.ndarray, "K K"]) -> bool:
    """Whether two float64 losses of these logits agree, to 1e-9 or to the rounding of logsumexp(z) - z_k: eps |z|."""
    return math.isclose(first, second, rel_tol=1e-9, abs_tol=8.0 * np.finfo(float).eps * np.abs(logits).max())


def close(claimed: object, found: float | None, *, rel_tol: float = 1e-9) -> bool:
    """Whether a certificate's number is the one found, to rounding; None is equal to None alone."""
    if found is None or not isinstance(claimed, int | float):
        return claimed is found
    return math.isclose(claimed, found, rel_tol=rel_tol, abs_tol=1e-300)


def confirmed(point: Structure, problem: Problem) -> tuple[bool, float]:
    """Whether an explicit network has the point's loss and none with slightly longer or shorter logits a lower one.

    A point marked critical must be so in every direction of its rank too. The second entry is the network's loss.
    """
    logits = point.logits
    lower, here, higher = (
        network_loss(stretch * logits, problem, rank=point.rank) for stretch in (1.0 - _SHIFT, 1.0, 1.0 + _SHIFT)
    )
    lowest = min(lower, here, higher)
    stationary = not point.critical or stationarity(logits, problem) < _STATIONARY
    fine = same_loss(here, point.loss, logits=logits) and same_loss(here, lowest, logits=logits)
    return stationary and fine, here
