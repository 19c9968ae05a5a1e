"""Slow definitions: one model, the loss written out, gradients by autograd, steps by torch's own optimiser."""

import numpy as np
import torch
from torch import Tensor

from deepcollapse.simulate import Endpoint

__all__ = ["LoopEngine", "autograd", "objective", "trained"]


def objective(factors, problem) -> Tensor:
    """F by its definition."""
    features, *weights = factors
    value = weights[0] @ features
    for weight in weights[1:]:
        value = weight @ (torch.relu(value) if problem.activation == "relu" else value)
    labels = torch.from_numpy(problem.labels)
    if problem.loss == "ce":
        data = torch.nn.functional.cross_entropy(value.T, labels)
    else:
        targets = torch.nn.functional.one_hot(labels, problem.classes).T
        data = ((value - targets) ** 2).sum() / (2 * problem.total_samples)
    return data + sum(decay / 2 * (a**2).sum() for decay, a in zip(problem.factor_decays, factors, strict=True))


def parameters(factors) -> list[Tensor]:
    return [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in factors]


def autograd(factors, problem) -> tuple[np.ndarray, ...]:
    leaves = parameters(factors)
    return tuple(g.numpy() for g in torch.autograd.grad(objective(leaves, problem), leaves))


def trained(factors, problem, *, lr: float, steps: int) -> tuple[np.ndarray, ...]:
    leaves = parameters(factors)
    optimiser = torch.optim.SGD(leaves, lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        objective(leaves, problem).backward()
        optimiser.step()
    return tuple(leaf.detach().numpy() for leaf in leaves)


class LoopEngine:
    """The loop one would write: model after model, never diverging."""

    name = "loop"

    def train(self, problem, starts, *, descent, report=None):
        for seed, factors in starts:
            steps, norm = 0, np.inf
            while norm > descent.tolerance and steps < descent.steps_max:
                factors = trained(factors, problem, lr=descent.lr, steps=descent.check_every)
                norm = float(np.sqrt(sum((g**2).sum() for g in autograd(factors, problem))))
                steps += descent.check_every
            status = "converged" if norm <= descent.tolerance else "not converged"
            yield Endpoint(seed, status, steps, norm, factors)
