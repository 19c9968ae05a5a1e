"""Ways to take the same gradient steps on many deep linear models under cross-entropy.

Every contender starts from given factors in float64, takes ``steps`` full-batch steps of every model in the precision
asked for, and returns the factors in float64. The loops and vmap apply the decay in the update instead of
differentiating its quadratic term, the cheaper of the two ways to write them.
"""

import functools
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from deepcollapse.simulate import Descent, engine_choice
from deepcollapse.ufm import Factors, Problem

__all__ = [
    "CONTENDERS",
    "ENGINES",
    "LEARNING_RATE",
    "LOOPS",
    "Contender",
    "engine",
    "loop",
    "torch_threads",
    "two_loops",
    "vectorised",
]

Contender = Callable[..., list[Factors | None]]
"""Called as contender(problem, models, dtype=..., steps=...); one decay for all factors; None where a run diverged."""

LEARNING_RATE = 0.5


def loop(
    problem: Problem, models: Sequence[Factors], *, dtype: str, steps: int, threads: int | None = 1
) -> list[Factors | None]:
    """The loop one would write: model after model, autograd and torch's own optimiser; None is torch's threads."""
    labels = torch.from_numpy(problem.labels)
    ends = []
    with torch_threads(threads):
        for model in models:
            leaves = [torch.tensor(factor, dtype=getattr(torch, dtype), requires_grad=True) for factor in model]
            optimiser = torch.optim.SGD(leaves, lr=LEARNING_RATE, weight_decay=problem.mean_decay)
            for _ in range(steps):
                optimiser.zero_grad()
                _data_loss(leaves, labels).backward()
                optimiser.step()
            ends.append(tuple(leaf.detach().double().numpy() for leaf in leaves))
    return ends


def two_loops(problem: Problem, models: Sequence[Factors], *, dtype: str, steps: int) -> list[Factors | None]:
    """The loop in two processes at once, one thread and half of the models each; they start with the first call."""
    half = -(-len(models) // 2)
    run = functools.partial(loop, dtype=dtype, steps=steps)
    ends = _two_processes().map(run, (problem, problem), (models[:half], models[half:]))
    return [end for part in ends for end in part]


def vectorised(problem: Problem, models: Sequence[Factors], *, dtype: str, steps: int) -> list[Factors | None]:
    """All models at once, the loss of one model differentiated by vmap(grad)."""
    labels = torch.from_numpy(problem.labels)
    stacks = [torch.tensor(np.stack(column), dtype=getattr(torch, dtype)) for column in zip(*models, strict=True)]
    slopes = vmap(grad(_data_loss), in_dims=(0, None))
    kept = 1.0 - LEARNING_RATE * problem.mean_decay
    for _ in range(steps):
        for stack, slope in zip(stacks, slopes(stacks, labels), strict=True):
            stack.mul_(kept).add_(slope, alpha=-LEARNING_RATE)
    return [tuple(stack[index].double().numpy() for stack in stacks) for index in range(len(models))]


def engine(problem: Problem, models: Sequence[Factors], *, name: str, dtype: str, steps: int) -> list[Factors | None]:
    """The engine of that name with its default size of batch and measurements, at a tolerance that nothing reaches."""
    rule = Descent(lr=LEARNING_RATE, tolerance=sys.float_info.min, steps_max=steps)
    trainer = engine_choice(problem, name, seeds=len(models), dtype=dtype).engine
    ends = trainer.train(problem, enumerate(models), descent=rule)
    return [end.factors for end in sorted(ends, key=attrgetter("seed"))]


ENGINES = ("torch", "cpu", "auto")

LOOPS = ("loop", "threaded")

CONTENDERS: dict[str, Contender] = {
    "loop": loop,
    "threaded": functools.partial(loop, threads=None),
    "two loops": two_loops,
    "vmap": vectorised,
    **{name: functools.partial(engine, name=name) for name in ENGINES},
}
"""The others are compared with the faster of ``LOOPS``, the loop in one process with one thread and with torch's."""


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """So many threads of torch, for as long as the block lasts; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _two_processes() -> ProcessPoolExecutor:
    """Fresh interpreters: a fork of a process with threads may wait for ever."""
    fresh = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(2, mp_context=fresh, initializer=torch.set_num_threads, initargs=(1,))


def _data_loss(factors: Sequence[Tensor], labels: Tensor) -> Tensor:
    """The mean over samples of the cross-entropy of W_L ... W_1 H_1."""
    value, *weights = factors
    for weight in weights:
        value = weight @ value
    return torch.nn.functional.cross_entropy(value.T, labels)
