"""Gradient descent on ensembles with torch's batched matrix products, on any torch device."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.engine import Descent, Endpoint, Progress, Report, Start, Status, loss_ceiling
from deepcollapse.simulate.optimiser import expect_gradient_descent
from deepcollapse.simulate.torch_gradient import Backward, backward, one_hot
from deepcollapse.ufm import Problem, factor_shapes

__all__ = ["TorchEngine"]

_CACHE = 5 * 2**18  # bytes per core: most of a usual second-level cache
_MEMORY = 2**30  # bytes on an accelerator, where large batches pay


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """Full-batch gradient descent on many models side by side, with hand-written gradients.

    The models of a chunk take their steps together; a run that ends leaves and the next start takes its place, so the
    chunk stays full while starts are left. Memory, whatever the number of runs: per model of the chunk two copies of
    the parameters and buffers of (2 L - 1) K d + 2 K N (linear) or 2 L d N + 2 K N numbers (ReLU).

    On the CPU torch shares each product among its threads (``torch.set_num_threads``). On a machine that is busy with
    other work several threads wait for the slowest one and can be ten times slower than one: run with one thread there.

    Args:
        dtype: "float64" or "float32". In float32 a step below one part in 10^7 of an entry is lost, so a run can
            come to rest with a gradient norm above a small tolerance; it then ends as not converged.
        device: any torch device.
        chunk: models per batch; None takes what fits the cache of the cores torch uses (on the CPU).

    Raises:
        InvalidInputError: unknown dtype, a device torch cannot use, a chunk below one.
    """

    dtype: str = "float64"
    device: str = "cpu"
    chunk: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise InvalidInputError(
                f'dtype: expected "float32" or "float64", but found {self.dtype!r}; choose one of the two'
            )
        if self.chunk is not None and (not isinstance(self.chunk, int) or self.chunk < 1):
            raise InvalidInputError(
                f"chunk: expected a whole number >= 1, but found {self.chunk!r}; leave it out for the default"
            )
        try:
            torch.zeros(1, dtype=self._torch_dtype, device=self.device).cpu()
        except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
            reason = str(error).splitlines()[0].split(". ")[0]
            raise InvalidInputError(
                f'device: expected a device that holds {self.dtype}, but found {self.device!r} ({reason}); use "cpu"'
            ) from None

    @property
    def name(self) -> str:
        """Library, precision and device."""
        return f"torch {self.dtype} {self.device}"

    def train(
        self, problem: Problem, starts: Iterable[Start], *, descent: Descent, report: Report | None = None
    ) -> Iterator[Endpoint]:
        """Run every start to its end; see ``Engine.train``."""
        expect_gradient_descent(descent.optimiser, of="this engine", remedy="leave it out")
        waiting, capacity = iter(starts), self.capacity(problem)
        batch, tally, steps = self._loaded(waiting, capacity, problem), Counter[Status](), 0
        passes = backward(batch.factors, problem)
        while batch.size:
            block = int(min(descent.check_every, descent.steps_max - batch.ages.max()))
            _advance(passes, problem.total_samples, lr=descent.lr, steps=block)
            losses, norms = _measure(passes, problem)
            batch = batch.aged(block)
            steps += block * batch.size
            ended = list(batch.endings(losses, norms, descent=descent))
            tally.update(endpoint.status for _, endpoint in ended)
            if ended:
                batch = batch.without([slot for slot, _ in ended])
                batch = batch.joined(self._loaded(waiting, capacity - batch.size, problem))
                passes = backward(batch.factors, problem)
            yield from (endpoint for _, endpoint in ended)
            if report:
                report(_progress(tally, running=batch.size, steps=steps))

    def capacity(self, problem: Problem) -> int:
        """Models per chunk."""
        if self.chunk is not None:
            return self.chunk
        parameters = sum(math.prod(shape) for shape in factor_shapes(problem))
        model = parameters * torch.finfo(self._torch_dtype).bits // 8
        budget = _CACHE * torch.get_num_threads() if torch.device(self.device).type == "cpu" else _MEMORY
        return max(1, budget // model)

    @property
    def _torch_dtype(self) -> torch.dtype:
        return {"float32": torch.float32, "float64": torch.float64}[self.dtype]

    def _loaded(self, waiting: Iterator[Start], count: int, problem: Problem) -> "_Batch":
        """The next starts, at most ``count``."""
        starts = list(itertools.islice(waiting, count))
        columns = zip(*(factors for _, factors in starts), strict=True) if starts else ()
        empty = (np.empty((0, *shape)) for shape in factor_shapes(problem))
        arrays = [np.stack(column) for column in columns] or empty
        return _Batch(
            seeds=np.array([seed for seed, _ in starts], dtype=int),
            ages=np.zeros(len(starts), dtype=int),
            ceilings=np.array([loss_ceiling(factors, problem) for _, factors in starts]),
            factors=tuple(torch.from_numpy(a).to(self._torch_dtype).to(self.device) for a in arrays),
        )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Models side by side: one slot each, with the steps taken and the loss that counts as divergence."""

    seeds: Int[np.ndarray, " E"]
    ages: Int[np.ndarray, " E"]
    ceilings: Float[np.ndarray, " E"]
    factors: tuple[Tensor, ...]

    @property
    def size(self) -> int:
        return self.seeds.size

    def endings(
        self, losses: Float[np.ndarray, " E"], norms: Float[np.ndarray, " E"], *, descent: Descent
    ) -> Iterator[tuple[int, Endpoint]]:
        """Slots whose run is over, with what became of it."""
        diverged = ~(np.isfinite(norms) & (losses <= self.ceilings))  # a loss that is not a number fails, too
        converged = norms <= descent.tolerance
        over = diverged | converged | (self.ages >= descent.steps_max)
        for slot in map(int, np.flatnonzero(over)):
            status: Status = "diverged" if diverged[slot] else "converged" if converged[slot] else "not converged"
            factors = None if diverged[slot] else self._factors_of(slot)
            yield (
                slot,
                Endpoint(int(self.seeds[slot]), status, int(self.ages[slot]), float(norms[slot]), factors),
            )

    def aged(self, steps: int) -> "_Batch":
        return replace(self, ages=self.ages + steps)

    def without(self, slots: list[int]) -> "_Batch":
        keep = np.ones(self.size, dtype=bool)
        keep[slots] = False
        return self._kept(keep)

    def joined(self, other: "_Batch") -> "_Batch":
        return _Batch(
            np.concatenate([self.seeds, other.seeds]),
            np.concatenate([self.ages, other.ages]),
            np.concatenate([self.ceilings, other.ceilings]),
            tuple(torch.cat(pair) for pair in zip(self.factors, other.factors, strict=True)),
        )

    def _kept(self, keep: Bool[np.ndarray, " E"]) -> "_Batch":
        index = torch.from_numpy(keep).to(self.factors[0].device)
        return _Batch(self.seeds[keep], self.ages[keep], self.ceilings[keep], tuple(a[index] for a in self.factors))

    def _factors_of(self, slot: int) -> tuple[Float[np.ndarray, "_ _"], ...]:
        return tuple(factor[slot].cpu().double().numpy() for factor in self.factors)


@torch.inference_mode()
def _advance(passes: Backward, samples: int, *, lr: float, steps: int) -> None:
    """A <- (1 - lr decay) A - (lr / N) left @ right, ``steps`` times for every factor."""
    share = -lr / samples
    updates = [(p.factor.baddbmm_, p.left, p.right, 1.0 - lr * p.decay) for p in passes.products]
    for _ in range(steps):
        passes.run()
        for update, left, right, kept in updates:
            update(left, right, beta=kept, alpha=share)


@torch.inference_mode()
def _measure(passes: Backward, problem: Problem) -> tuple[Float[np.ndarray, " E"], Float[np.ndarray, " E"]]:
    """F and ||grad F|| of every model."""
    passes.run()
    loss, square = _data_loss(passes.logits, problem), torch.zeros_like(passes.logits[:, 0, 0])
    for product in passes.products:
        gradient = torch.baddbmm(
            product.factor,
            product.left,
            product.right,
            beta=product.decay,
            alpha=1.0 / problem.total_samples,
        )
        square += torch.linalg.vector_norm(gradient, dim=(1, 2)).square_()
        loss += 0.5 * product.decay * torch.linalg.vector_norm(product.factor, dim=(1, 2)).square_()
    return loss.cpu().double().numpy(), square.sqrt().cpu().double().numpy()


def _data_loss(logits: Float[Tensor, "E K N"], problem: Problem) -> Float[Tensor, " E"]:
    targets = one_hot(problem, logits)
    if problem.loss == "mse":
        return (logits - targets).square().sum(1).mean(1) / 2.0
    return (torch.logsumexp(logits, 1) - (logits * targets).sum(1)).mean(1)


def _progress(tally: Counter[Status], *, running: int, steps: int) -> Progress:
    return Progress(tally["converged"], tally["not converged"], tally["diverged"], running, steps)
