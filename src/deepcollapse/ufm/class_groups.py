"""Class logits that treat classes of one size alike, in the few coordinates that they have.

With G distinct sizes n_g, of k_g classes each, such logits with centred columns are

    Zbar = sum_g a_g P_g + U T X R^-1 U^T,

where P_g projects on the centred vectors of group g, U has the normalised indicators of the groups as columns, T is an
orthonormal basis of what is orthogonal to U^T 1, and R = diag(sqrt n_g). The singular values of Zbar D with
D = diag(sqrt n_c) are |a_g| sqrt(n_g), each k_g - 1 times, and those of X, (G - 1) x G.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.ufm.problem import Problem

__all__ = ["ClassGroups", "Softmax"]


@dataclass(frozen=True, slots=True)
class Softmax:
    """Cross-entropy of one column per group, in numbers that do not cancel.

    Attributes:
        losses: of a column of each group.
        others: probability of the wrong classes, summed by group: others[g, h] is that of group g in a column of h.
        own: probability of the right class.
    """

    losses: Float[np.ndarray, " G"]
    others: Float[np.ndarray, "G G"]
    own: Float[np.ndarray, " G"]


@dataclass(frozen=True, slots=True)
class ClassGroups:
    """The classes of a problem by size.

    Attributes:
        sizes: the distinct numbers of samples of a class, increasing, as floats.
        counts: how many classes have each, as floats.
        index: the group of each class.
        total: number of samples, N.
        basis: the matrix T.
    """

    sizes: Float[np.ndarray, " G"]
    counts: Float[np.ndarray, " G"]
    index: Int[np.ndarray, " K"]
    total: int
    basis: Float[np.ndarray, "G h"]

    @classmethod
    def of(cls, problem: Problem) -> "ClassGroups":
        """The groups of a problem."""
        sizes, index, counts = np.unique(problem.class_samples, return_inverse=True, return_counts=True)
        basis = np.linalg.svd(np.sqrt(counts)[None, :])[2][1:].T
        return cls(sizes.astype(float), counts.astype(float), index, problem.total_samples, basis)

    @property
    def shares(self) -> Float[np.ndarray, " G"]:
        """Share of all samples that each group has: its weight in the mean loss."""
        return self.counts * self.sizes / self.total

    @property
    def multiplicities(self) -> Float[np.ndarray, " G"]:
        """k_g - 1, how often each |a_g| sqrt(n_g) is a singular value."""
        return self.counts - 1.0

    @property
    def zero_decay(self) -> float:
        """||S D|| / N, S = I - 1 1^T / K: the least decay at which Z = 0 is the one-layer minimum (cross-entropy)."""
        alone = np.sqrt(self.sizes) * (self.multiplicities > 0)
        mixed = np.linalg.svd(self.basis.T * np.sqrt(self.sizes), compute_uv=False)
        return float(max(alone.max(), mixed.max(initial=0.0)) / self.total)

    def columns(
        self, spread: Float[np.ndarray, " G"], block: Float[np.ndarray, "h G"]
    ) -> tuple[Float[np.ndarray, "G G"], Float[np.ndarray, " G"]]:
        """Logits of a column of each group: of the wrong classes by group, and of the right class.

        ``spread`` are the a_g, ``block`` is X.
        """
        others = (self.basis @ block) / np.sqrt(np.outer(self.counts, self.counts * self.sizes))
        diagonal = np.diagonal(others)
        own = diagonal + spread * (self.multiplicities / self.counts)
        return others - np.diag(spread / self.counts), own

    def pulled(
        self, others: Float[np.ndarray, "G G"], own: Float[np.ndarray, " G"]
    ) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, "h G"]]:
        """The adjoint of ``columns``: slopes in the logits, wrong classes summed by group, become slopes in a and X."""
        spread = (own * self.multiplicities - np.diagonal(others)) / self.counts
        whole = (others + np.diag(own)) / np.sqrt(np.outer(self.counts, self.counts * self.sizes))
        return spread, self.basis.T @ whole

    def softmax(self, spread: Float[np.ndarray, " G"], block: Float[np.ndarray, "h G"]) -> Softmax:
        """Losses and probabilities of the logits with these coordinates."""
        others, own = self.columns(spread, block)
        numbers = self.counts[:, None] - np.eye(self.counts.size)
        shift = np.maximum((others - own).max(axis=0), 0.0)
        weights = numbers * np.exp(others - own - shift)
        wrong, right = weights.sum(axis=0), np.exp(-shift)
        losses = np.where(shift > 0, shift + np.log(np.maximum(right + wrong, 1.0)), np.log1p(wrong))
        return Softmax(losses, weights / (right + wrong), right / (right + wrong))

    def matrix(self, spread: Float[np.ndarray, " G"], block: Float[np.ndarray, "h G"]) -> Float[np.ndarray, "K K"]:
        """The class logits, K x K."""
        others, own = self.columns(spread, block)
        found = others[np.ix_(self.index, self.index)]
        np.fill_diagonal(found, own[self.index])
        return found
