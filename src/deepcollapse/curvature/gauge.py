"""Directions that rotate hidden layers: they change the factors but neither the logits nor the decay."""

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature.hessian import flatten
from deepcollapse.errors import TooLargeError
from deepcollapse.ufm import Factors, Problem

__all__ = ["BASIS_LIMIT", "gauge_directions"]

BASIS_LIMIT = 30_000_000
"""Most entries (parameters times directions) of a basis: 240 MB."""

_RTOL = 1e-10  # of squared lengths: a frame direction or combination below it is absent


def gauge_directions(factors: Factors, problem: Problem) -> Float[np.ndarray, "p g"]:
    """Orthonormal basis of the tangent space of the rotations A_l -> Q A_l, A_{l+1} -> A_{l+1} Q^T.

    For antisymmetric X they are (X A_l, -A_{l+1} X); in a linear network l = 0..L-1, in a ReLU network only l = 0
    (the features meet W_1 before any ReLU). F is constant along them, so at a critical point they are null vectors of
    its Hessian. At balanced factors of rank r and a linear network there are L (r d - r (r + 1) / 2).

    Raises:
        TooLargeError: the basis would have more than ``BASIS_LIMIT`` entries.

    >>> from deepcollapse.ufm import gaussian_factors
    >>> problem = Problem(classes=3, layers=2, width=4)
    >>> gauge_directions(gaussian_factors(problem, np.random.default_rng(0)), problem).shape
    (40, 12)
    """
    interfaces = range(problem.layers if problem.activation == "linear" else 1)
    planes = [_planes(factors[l], factors[l + 1]) for l in interfaces]
    size, count = sum(factor.size for factor in factors), sum(map(len, planes))
    if size * count > BASIS_LIMIT:
        raise TooLargeError(
            f"gauge: expected at most {BASIS_LIMIT} entries of a basis, but found {size} x {count}; "
            "leave the rotations in with rotations=False"
        )
    columns = [_rotation(pair, l, factors=factors) for l in interfaces for pair in planes[l]]
    if not columns:
        return np.zeros((size, 0))
    basis = np.stack(columns, axis=1)
    squares, turn = np.linalg.eigh(basis.T @ basis)
    kept = squares > _RTOL * squares[-1]
    return basis @ (turn[:, kept] / np.sqrt(squares[kept]))


def _planes(before: Float[np.ndarray, "d _"], after: Float[np.ndarray, "_ d"]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Orthonormal pairs (p, q) spanning the planes whose rotation changes a factor: one of the two is in a range."""
    squares, axes = np.linalg.eigh(before @ before.T + after.T @ after)
    used = squares > _RTOL * squares[-1]
    width = squares.size
    return [(axes[:, i], axes[:, j]) for i in range(width) for j in range(i + 1, width) if used[i] or used[j]]


def _rotation(pair: tuple[np.ndarray, np.ndarray], interface: int, *, factors: Factors) -> Float[np.ndarray, " p"]:
    p, q = pair
    parts = [np.zeros_like(factor) for factor in factors]
    before, after = factors[interface], factors[interface + 1]
    parts[interface] = np.outer(p, q @ before) - np.outer(q, p @ before)
    parts[interface + 1] = np.outer(after @ q, p) - np.outer(after @ p, q)
    return flatten(tuple(parts))
