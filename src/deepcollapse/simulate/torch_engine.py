"""Descent on ensembles with torch's batched matrix products, on any torch device, by any of the optimisers."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.engine import Descent, Endpoint, Report, Start, Status, progress
from deepcollapse.simulate.settling import Settling
from deepcollapse.simulate.torch_batch import Batch, loaded
from deepcollapse.simulate.torch_gradient import Backward, backward, one_hot
from deepcollapse.simulate.torch_optimiser import Update, update
from deepcollapse.ufm import Problem, factor_shapes

__all__ = ["TorchEngine"]

_CACHE = ((5 * 2**18, math.inf), (5 * 2**19, 64), (2**24, 8), (math.inf, 1))
"""Bytes and models per core, the largest of which count: most of a usual second-level cache is filled; a little more by
up to 64 models, because small products end before the next call is ready; and up to 8 share the third level."""
_MEMORY = 2**30  # bytes on an accelerator, where large batches pay
_VECTOR = 64  # bytes; products and exponentials are slow on a part of one


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """Full-batch descent on many models side by side, with hand-written gradients.

    The models of a chunk take their steps together; a run that ends leaves and the next start takes its place, so the
    chunk stays full while starts are left. Memory, whatever the number of runs: per model of the chunk two copies of
    the parameters and of what the optimiser remembers (nothing, as much again for momentum, three times for Adam), and
    buffers of (2 L - 1) K d + 2 K N (linear) or 2 L d N + 2 K N numbers (ReLU).

    On the CPU the chunk is split among as many threads as torch has (``torch.set_num_threads``, OMP_NUM_THREADS); they
    meet only where the gradient is measured. A product shared among torch's own threads would wait for the slowest of
    them every few microseconds.

    Args:
        dtype: "float64" or "float32". In float32 a step below one part in 10^7 of an entry is lost, so a run can
            come to rest with a gradient norm above a small tolerance; it then ends as not converged.
        device: any torch device.
        chunk: models per batch; None takes what suits the caches of the cores torch uses (on the CPU).

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
        waiting, capacity = iter(starts), self.capacity(problem)
        batch, tally, steps = self._loaded(waiting, problem, count=capacity, descent=descent), Counter[Status](), 0
        settling = Settling(problem, descent)
        with _crew(self._threads) as side_by_side:
            parts = [_Part.over(part, problem, descent) for part in batch.parts(self._threads)]
            while batch.size:
                block = int(min(descent.check_every, descent.steps_max - batch.ages.max()))
                measured = side_by_side(partial(_Part.advance, steps=block), parts)
                losses, norms = map(np.concatenate, zip(*measured, strict=True))
                batch = batch.aged(block)
                steps += block * batch.size
                settling.look(batch.seeds, batch.ages, losses=losses, factors=partial(batch.model, problem=problem))
                endings = batch.endings(losses, norms, descent=descent, problem=problem)
                ended = [(slot, settling.judged(endpoint)) for slot, endpoint in endings]
                tally.update(endpoint.status for _, endpoint in ended)
                if ended:
                    batch = batch.without([slot for slot, _ in ended])
                    batch = batch.joined(self._loaded(waiting, problem, count=capacity - batch.size, descent=descent))
                    parts = [_Part.over(part, problem, descent) for part in batch.parts(self._threads)]
                yield from (endpoint for _, endpoint in ended)
                if report:
                    report(progress(tally, running=batch.size, steps=steps))

    def capacity(self, problem: Problem) -> int:
        """Models per chunk."""
        if self.chunk is not None:
            return self.chunk
        parameters = sum(math.prod(shape) for shape in factor_shapes(problem))
        size = parameters * self._torch_dtype.itemsize
        if not self._on_cpu:
            return max(1, _MEMORY // size)
        return self._threads * int(max(min(room / size, most) for room, most in _CACHE))

    @property
    def _torch_dtype(self) -> torch.dtype:
        return {"float32": torch.float32, "float64": torch.float64}[self.dtype]

    @property
    def _on_cpu(self) -> bool:
        return torch.device(self.device).type == "cpu"

    @property
    def _threads(self) -> int:
        return torch.get_num_threads() if self._on_cpu else 1

    def _loaded(self, waiting: Iterator[Start], problem: Problem, *, count: int, descent: Descent) -> Batch:
        """The next starts, at most ``count``."""
        least = _VECTOR // self._torch_dtype.itemsize if self._on_cpu else 0
        return loaded(
            list(itertools.islice(waiting, count)),
            problem,
            like=torch.empty(0, dtype=self._torch_dtype, device=self.device),
            columns=max(problem.total_samples, least),
            optimiser=descent.optimiser,
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """Models that one thread takes care of."""

    passes: Backward
    update: Update
    problem: Problem

    @classmethod
    def over(cls, batch: Batch, problem: Problem, descent: Descent) -> "_Part":
        """Whoever advances the part changes the batch's tensors in place."""
        passes = backward(batch.factors, problem)
        moments = {id(factor): kept for factor, *kept in batch.rows}
        steps = update(
            descent.optimiser,
            passes.products,
            [tuple(moments[id(product.factor)]) for product in passes.products],
            ages=torch.from_numpy(batch.ages).to(batch.factors[0].dtype).to(batch.factors[0].device),
            lr=descent.lr,
            samples=problem.total_samples,
        )
        return cls(passes, steps, problem)

    @torch.inference_mode()
    def advance(self, *, steps: int) -> tuple[Float[np.ndarray, " E"], Float[np.ndarray, " E"]]:
        """So many steps of every model; F and ||grad F|| after them."""
        for _ in range(steps):
            self.passes.run()
            self.update.run()
        return _measure(self.passes, self.problem)


@contextmanager
def _crew(threads: int) -> Iterator[Callable[..., Iterable]]:
    """A ``map`` that works on as many things at a time as there are threads; inside one, torch uses no further ones."""
    if threads == 1:
        yield map
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(torch.get_num_threads())  # what threads yet to come inherit is what was set last


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


def _data_loss(logits: Float[Tensor, "E K C"], problem: Problem) -> Float[Tensor, " E"]:
    """g, of the columns that belong to samples."""
    logits = logits[:, :, : problem.total_samples]
    targets = one_hot(problem, logits)
    if problem.loss == "mse":
        return (logits - targets).square().sum(1).mean(1) / 2.0
    return (torch.logsumexp(logits, 1) - (logits * targets).sum(1)).mean(1)
