"""Models side by side in torch tensors: they join, they leave with an endpoint, and they split into parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deepcollapse.simulate.engine import Descent, Endpoint, Start, Status, loss_ceiling
from deepcollapse.simulate.optimiser import Optimiser
from deepcollapse.simulate.torch_optimiser import fresh_moments
from deepcollapse.ufm import Factors, Problem, factor_shapes

__all__ = ["Batch", "loaded"]

Rows = tuple[tuple[Tensor, ...], ...]
"""Per factor: the factor of every model, then what the optimiser remembers of it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs under way, one slot each.

    Attributes:
        seeds: of the starts.
        ages: steps taken.
        ceilings: losses above which a run counts as diverged.
        rows: the state, changed in place by whoever takes the steps. H_1 may have more columns than there are samples.
    """

    seeds: Int[np.ndarray, " E"]
    ages: Int[np.ndarray, " E"]
    ceilings: Float[np.ndarray, " E"]
    rows: Rows

    @property
    def size(self) -> int:
        """Number of runs."""
        return self.seeds.size

    @property
    def factors(self) -> tuple[Tensor, ...]:
        """H_1, W_1, ..., W_L of every model."""
        return tuple(row[0] for row in self.rows)

    def model(self, slot: int, problem: Problem) -> Factors:
        """The factors of one run, in float64."""
        shapes = zip(self.factors, factor_shapes(problem), strict=True)
        return tuple(factor[slot, :, :columns].cpu().double().numpy() for factor, (_, columns) in shapes)

    def parts(self, count: int) -> tuple["Batch", ...]:
        """The batch in at most ``count`` parts of about equal size, which share its tensors; none is empty."""
        pieces = np.array_split(np.arange(self.size), count)
        return tuple(self._taken(slice(piece[0], piece[-1] + 1)) for piece in pieces if piece.size)

    def aged(self, steps: int) -> "Batch":
        """The same runs, so many steps later."""
        return replace(self, ages=self.ages + steps)

    def without(self, slots: Sequence[int]) -> "Batch":
        """The other runs."""
        keep = np.ones(self.size, dtype=bool)
        keep[list(slots)] = False
        return self._taken(keep)

    def joined(self, other: "Batch") -> "Batch":
        """These runs, then the others."""
        return Batch(
            np.concatenate([self.seeds, other.seeds]),
            np.concatenate([self.ages, other.ages]),
            np.concatenate([self.ceilings, other.ceilings]),
            tuple(
                tuple(torch.cat(pair) for pair in zip(mine, theirs, strict=True))
                for mine, theirs in zip(self.rows, other.rows, strict=True)
            ),
        )

    def endings(
        self, losses: Float[np.ndarray, " E"], norms: Float[np.ndarray, " E"], *, descent: Descent, problem: Problem
    ) -> Iterator[tuple[int, Endpoint]]:
        """Slots whose run is over, with what became of it."""
        diverged = ~(np.isfinite(norms) & (losses <= self.ceilings))  # a loss that is not a number fails, too
        converged = norms <= descent.tolerance
        over = diverged | converged | (self.ages >= descent.steps_max)
        for slot in map(int, np.flatnonzero(over)):
            status: Status = "diverged" if diverged[slot] else "converged" if converged[slot] else "not converged"
            factors = None if diverged[slot] else self.model(slot, problem)
            yield slot, Endpoint(int(self.seeds[slot]), status, int(self.ages[slot]), float(norms[slot]), factors)

    def _taken(self, which: slice | Bool[np.ndarray, " E"]) -> "Batch":
        index = which if isinstance(which, slice) else torch.from_numpy(which).to(self.rows[0][0].device)
        rows = tuple(tuple(tensor[index] for tensor in row) for row in self.rows)
        return Batch(self.seeds[which], self.ages[which], self.ceilings[which], rows)


def loaded(starts: Sequence[Start], problem: Problem, *, like: Tensor, columns: int, optimiser: Optimiser) -> Batch:
    """Runs at their starts, perhaps none, with H_1 filled up to ``columns`` by zeros.

    Args:
        starts: seeds and factors.
        problem: the model.
        like: a tensor of the type and on the device wanted.
        columns: at least the number of samples.
        optimiser: decides what is remembered.
    """
    missing = columns - problem.total_samples
    factors = []
    for depth, shape in enumerate(factor_shapes(problem)):
        stack = np.stack([model[depth] for _, model in starts]) if starts else np.empty((0, *shape))
        whole = np.pad(stack, ((0, 0), (0, 0), (0, missing))) if depth == 0 else stack
        factors.append(torch.from_numpy(whole).to(like.dtype).to(like.device))
    moments = fresh_moments(optimiser, factors)
    return Batch(
        seeds=np.array([seed for seed, _ in starts], dtype=int),
        ages=np.zeros(len(starts), dtype=int),
        ceilings=np.array([loss_ceiling(model, problem) for _, model in starts]),
        rows=tuple((factor, *kept) for factor, kept in zip(factors, moments, strict=True)),
    )
