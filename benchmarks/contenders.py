"""Three ways to take the same gradient steps on many deep linear models under cross-entropy.

Every contender starts from given factors in float64, takes ``steps`` full-batch steps of every model in the precision
asked for, and returns the factors in float64. The loop and vmap apply the decay in the update instead of
differentiating its quadratic term, the cheaper of the two ways to write them.
"""

import sys
from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from deepcollapse.simulate import Descent, TorchEngine
from deepcollapse.ufm import Factors, Problem

__all__ = ["CONTENDERS", "LEARNING_RATE", "Contender", "engine", "loop", "vectorised"]

Contender = Callable[..., list[Factors | None]]
"""Called as contender(problem, models, dtype=..., steps=...); one decay for all factors; None where a run diverged."""

LEARNING_RATE = 0.5


def loop(problem: Problem, models: Sequence[Factors], *, dtype: str, steps: int) -> list[Factors | None]:
    """The loop one would write: model after model, autograd and torch's own optimiser."""
    labels = torch.from_numpy(problem.labels)
    ends = []
    for model in models:
        leaves = [torch.tensor(factor, dtype=getattr(torch, dtype), requires_grad=True) for factor in model]
        optimiser = torch.optim.SGD(leaves, lr=LEARNING_RATE, weight_decay=problem.mean_decay)
        for _ in range(steps):
            optimiser.zero_grad()
            _data_loss(leaves, labels).backward()
            optimiser.step()
        ends.append(tuple(leaf.detach().double().numpy() for leaf in leaves))
    return ends


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


def engine(problem: Problem, models: Sequence[Factors], *, dtype: str, steps: int) -> list[Factors | None]:
    """``TorchEngine`` with its default chunk and measurements, at a tolerance that nothing reaches."""
    rule = Descent(lr=LEARNING_RATE, tolerance=sys.float_info.min, steps_max=steps)
    ends = TorchEngine(dtype=dtype).train(problem, enumerate(models), descent=rule)
    return [end.factors for end in sorted(ends, key=attrgetter("seed"))]


CONTENDERS: dict[str, Contender] = {"loop": loop, "vmap": vectorised, "engine": engine}
"""The first is what the others are compared with."""


def _data_loss(factors: Sequence[Tensor], labels: Tensor) -> Tensor:
    """The mean over samples of the cross-entropy of W_L ... W_1 H_1."""
    value, *weights = factors
    for weight in weights:
        value = weight @ value
    return torch.nn.functional.cross_entropy(value.T, labels)
