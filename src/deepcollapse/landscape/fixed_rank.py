"""The objective on logits of rank at most r, through two factors: Z diag(sqrt n_k) = A B^T.

F depends on A B^T alone, so every invertible r x r change of basis is a direction of zero curvature.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from deepcollapse.linalg.rank import numerical_rank
from deepcollapse.ufm.losses import loss_gradient, mean_loss
from deepcollapse.ufm.objective import schatten_penalty, weighted_logits
from deepcollapse.ufm.problem import Problem

__all__ = ["FixedRank", "split"]

_LEG = 40  # L-BFGS iterations between looks at the rank: descent stalls where a singular value goes to zero
_LOST = 1e-4  # a singular value below this share of the largest is on its way to zero: go on at lower rank
_FLAT = 1e-6  # curvature below this share of the largest belongs to the change of basis
_STEP = 1e-5  # of the central differences, relative to the factors' size: error about _STEP^2


@dataclass(frozen=True, slots=True)
class FixedRank:
    """F(A B^T) over K x r factors, flattened as one vector (A then B, row by row).

    Attributes:
        problem: the model.
        rank: r.
    """

    problem: Problem
    rank: int

    def value_and_gradient(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F and its gradient at one point (p,) or many (..., p); one K x K SVD each."""
        a, b = self._factors(point)
        root = np.sqrt(np.array(self.problem.class_samples, dtype=float))
        product = a @ np.swapaxes(b, -1, -2)
        logits, labels = product / root, np.arange(self.problem.classes)
        weights, kind = self.problem.class_weights, self.problem.loss
        u, s, vt = np.linalg.svd(product, full_matrices=False)
        u, s, vt = u[..., : self.rank], s[..., : self.rank], vt[..., : self.rank, :]
        s = np.maximum(s, np.finfo(float).eps * s[..., :1] + np.finfo(float).tiny)
        pull = self.problem.mean_decay * s ** (self.problem.penalty_power - 1.0)
        slope = loss_gradient(logits, labels, weights, kind=kind) / root + (u * pull[..., None, :]) @ vt
        gradient = np.stack([slope @ b, np.swapaxes(slope, -1, -2) @ a], axis=-3)
        value = mean_loss(logits, labels, weights, kind=kind) + schatten_penalty(s, self.problem)
        return np.asarray(value), gradient.reshape(point.shape)

    def logits(self, point: Float[np.ndarray, " p"]) -> Float[np.ndarray, "K K"]:
        """The class logits of a point."""
        a, b = self._factors(point)
        return a @ b.T / np.sqrt(np.array(self.problem.class_samples, dtype=float))

    def descended(
        self, point: Float[np.ndarray, " p"], *, tolerance: float = 1e-5
    ) -> tuple[Float[np.ndarray, " p"], bool]:
        """A few dozen L-BFGS iterations from the point, and whether they came to rest: gradient below the tolerance.

        Minimises F over the decay, the size of F near its minima, so that the tolerances mean the same at every decay.
        """
        found = minimize(
            self._in_decays,
            point,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _LEG, "maxcor": 20, "gtol": tolerance, "ftol": 1e-8 * tolerance},
        )
        return np.asarray(found.x), found.nit < _LEG

    def shed(self, point: Float[np.ndarray, " p"]) -> int:
        """The rank to go on at: less than r where singular values are lost, or where dropping the least lowers F."""
        values = np.linalg.svd(weighted_logits(self.logits(point), self.problem), compute_uv=False)
        rank = min(self.rank, numerical_rank(values, rtol=_LOST))
        if rank < self.rank or rank == 1:
            return rank
        fewer = split(self.logits(point), self.problem, rank=rank - 1)
        lower = FixedRank(self.problem, rank - 1).value_and_gradient(fewer)[0] < self.value_and_gradient(point)[0]
        return rank - 1 if lower else rank

    def refined(self, point: Float[np.ndarray, " p"], *, steps: int = 8) -> Float[np.ndarray, " p"]:
        """Newton's method to a zero of the gradient, leaving flat directions alone; stops when it no longer helps."""
        best, size = point, np.linalg.norm(self.value_and_gradient(point)[1])
        for _ in range(steps):
            values, vectors = self._curvature(best)
            keep = np.abs(values) > _FLAT * np.abs(values).max()
            along = vectors[:, keep].T @ self.value_and_gradient(best)[1]
            trial = best - vectors[:, keep] @ (along / values[keep])
            trial_size = np.linalg.norm(self.value_and_gradient(trial)[1])
            if not trial_size < size:
                break
            best, size = trial, trial_size
        return best

    def least_curvature(self, point: Float[np.ndarray, " p"]) -> float:
        """Smallest Hessian eigenvalue over the largest one, flat directions counted as zero."""
        values = self._curvature(point)[0]
        least = values.min() / np.abs(values).max()
        return 0.0 if abs(least) < _FLAT else float(least)

    def _in_decays(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = self.value_and_gradient(point)
        return np.asarray(value / self.problem.mean_decay), gradient / self.problem.mean_decay

    def _curvature(self, point: Float[np.ndarray, " p"]) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
        step = _STEP * max(np.abs(point).max(), np.finfo(float).tiny)
        shifts = step * np.eye(point.size)
        hessian = (self.value_and_gradient(point + shifts)[1] - self.value_and_gradient(point - shifts)[1]) / (2 * step)
        return np.linalg.eigh((hessian + hessian.T) / 2)

    def _factors(self, point: np.ndarray) -> np.ndarray:
        shape = (*point.shape[:-1], 2, self.problem.classes, self.rank)
        return np.moveaxis(point.reshape(shape), -3, 0)


def split(logits: Float[np.ndarray, "K K"], problem: Problem, *, rank: int) -> Float[np.ndarray, " p"]:
    """Balanced factors A = U s^(1/2), B = V s^(1/2) of class logits truncated to a rank, as one vector."""
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    root = np.sqrt(s[:rank])
    return np.concatenate([(u[:, :rank] * root).ravel(), (vt[:rank].T * root).ravel()])
