"""A self-concordant smoothing of the nuclear norm, with its derivatives in closed form."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["SmoothedNuclear", "curvature", "slope", "value"]

Coefficients = tuple[Float[np.ndarray, "r r"], Float[np.ndarray, "r r"], Float[np.ndarray, " r"]]
"""Of the second derivative: on symmetric and skew parts of a direction in the singular frames, and beyond these."""


def value(s: Float[np.ndarray, "..."], mu: float) -> Float[np.ndarray, "..."]:
    """f(s) = sqrt(mu^2 + s^2) - mu log(mu + sqrt(mu^2 + s^2)), which tends to |s| with mu; entry by entry."""
    root = np.hypot(mu, s)
    return root - mu * np.log(mu + root)


def slope(s: Float[np.ndarray, "..."], mu: float) -> Float[np.ndarray, "..."]:
    """f'(s) = s / (mu + sqrt(mu^2 + s^2)), always below 1."""
    return s / (mu + np.hypot(mu, s))


def curvature(s: Float[np.ndarray, "..."], mu: float) -> Float[np.ndarray, "..."]:
    """f''(s) = mu / (R (mu + R)) with R = sqrt(mu^2 + s^2)."""
    root = np.hypot(mu, s)
    return mu / (root * (mu + root))


@dataclass(frozen=True, slots=True)
class SmoothedNuclear:
    """sum_i f(s_i(X)) at one matrix X with at most as many rows as columns.

    f is the nuclear norm's semidefinite form, (tr Q + tr R) / 2 with [[Q, X], [X^T, R]] >= 0, minimised with the
    barrier -(mu / 2) log det of that block (up to a constant). Partial minimisation keeps self-concordance, so Newton's
    method follows the minimisers as mu -> 0, and at each of them the gradient has a norm below 1: it is dual feasible.

    Attributes:
        left, values, right: the SVD X = left diag(values) right[:r], with ``right`` square.
        mu: the smoothing, > 0.
    """

    left: Float[np.ndarray, "r r"]
    values: Float[np.ndarray, " r"]
    right: Float[np.ndarray, "c c"]
    mu: float

    @classmethod
    def at(cls, matrix: Float[np.ndarray, "r c"], mu: float) -> "SmoothedNuclear":
        """The function at a matrix; costs one SVD."""
        return cls(*np.linalg.svd(matrix, full_matrices=True), mu)

    @property
    def value(self) -> float:
        """sum_i f(s_i)."""
        return float(value(self.values, self.mu).sum())

    @property
    def gradient(self) -> Float[np.ndarray, "r c"]:
        """U diag(f'(s)) V^T."""
        return (self.left * slope(self.values, self.mu)) @ self.right[: self.values.size]

    def hessian(self, direction: Float[np.ndarray, "r c"]) -> Float[np.ndarray, "r c"]:
        """The second derivative applied to a direction."""
        return self._framed(direction, self._coefficients())

    def inverse(self, direction: Float[np.ndarray, "r c"], *, shift: float) -> Float[np.ndarray, "r c"]:
        """(second derivative + shift)^-1 applied to a direction, for shift > 0."""
        symmetric, skew, beyond = self._coefficients()
        return self._framed(direction, (1.0 / (symmetric + shift), 1.0 / (skew + shift), 1.0 / (beyond + shift)))

    def _coefficients(self) -> Coefficients:
        """(f'_i - f'_j)/(s_i - s_j), (f'_i + f'_j)/(s_i + s_j) and f'_i/s_i, formed without cancellation."""
        s, mu = self.values, self.mu
        root = np.hypot(mu, s)
        beyond = 1.0 / (mu + root)
        product = beyond[:, None] * beyond
        cross = s[:, None] * root
        mixed = cross + cross.T  # s_i R_j - s_j R_i = mu^2 (s_i^2 - s_j^2) / mixed
        total = s[:, None] + s
        share = np.divide(mu * total, mixed, out=np.ones_like(mixed), where=mixed > 0)
        paired = np.divide(mixed, total, out=np.full_like(mixed, mu), where=total > 0)
        return mu * (1.0 + share) * product, (mu + paired) * product, beyond

    def _framed(self, direction: Float[np.ndarray, "r c"], coefficients: Coefficients) -> Float[np.ndarray, "r c"]:
        symmetric, skew, beyond = coefficients
        rank = self.values.size
        inside = self.left.T @ direction @ self.right.T
        square = inside[:, :rank]
        turned = 0.5 * (symmetric * (square + square.T) + skew * (square - square.T))
        return self.left @ np.hstack([turned, inside[:, rank:] * beyond[:, None]]) @ self.right
