"""The steps of every optimiser on many models at once, from gradients that are pairs of matrices."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum, Optimiser
from deepcollapse.simulate.torch_gradient import Product

__all__ = ["AdamUpdate", "Moments", "MomentumUpdate", "PlainUpdate", "Update", "fresh_moments", "update"]

Moments = tuple[Tensor, ...]
"""What an optimiser remembers of one factor of all models: nothing; V; or V and S. Each of the factor's shape."""


@runtime_checkable
class Update(Protocol):
    """Takes the step of every factor, in place, in the order of the products it was made from."""

    def run(self) -> None:
        """One step, from the products as they stand."""
        ...


def fresh_moments(optimiser: Optimiser, factors: Sequence[Tensor]) -> tuple[Moments, ...]:
    """The memory of runs that have not begun, zeros, per factor.

    >>> [len(kept) for kept in fresh_moments(Adam(), [torch.ones(5, 3, 2)])]
    [2]
    """
    count = 2 if isinstance(optimiser, Adam) else 1 if isinstance(optimiser, Momentum) else 0
    return tuple(tuple(torch.zeros_like(factor) for _ in range(count)) for factor in factors)


def update(
    optimiser: Optimiser,
    products: Sequence[Product],
    moments: Sequence[Moments],
    *,
    ages: Float[Tensor, " E"],
    lr: float,
    samples: int,
) -> Update:
    """The optimiser's step on the products' factors; it changes these, the moments and the ages given.

    Args:
        optimiser: the rule.
        products: gradients, N times without the decay, in the order of the updates.
        moments: of each product's factor.
        ages: steps that each model has taken, in the factors' type.
        lr: learning rate.
        samples: N.
    """
    if isinstance(optimiser, GradientDescent):
        return PlainUpdate.of(products, lr=lr, samples=samples)
    pairs = tuple(zip(products, moments, strict=True))
    if isinstance(optimiser, Momentum):
        return MomentumUpdate(pairs, beta=optimiser.beta, lr=lr, samples=samples)
    slopes = tuple(torch.empty_like(product.factor) for product in products)
    return AdamUpdate(pairs, slopes, ages, rule=optimiser, lr=lr, samples=samples)


@dataclass(frozen=True, slots=True)
class PlainUpdate:
    """A <- (1 - lr decay) A - (lr / N) left @ right: one call per factor, the gradient is never formed."""

    calls: tuple[Callable[[], Tensor], ...]

    @classmethod
    def of(cls, products: Sequence[Product], *, lr: float, samples: int) -> "PlainUpdate":
        """The calls, put together once."""
        share = -lr / samples
        return cls(
            tuple(partial(p.factor.baddbmm_, p.left, p.right, beta=1.0 - lr * p.decay, alpha=share) for p in products)
        )

    def run(self) -> None:
        """One step, from the products as they stand."""
        for call in self.calls:
            call()


@dataclass(frozen=True, slots=True)
class MomentumUpdate:
    """V <- beta V + left @ right / N + decay A, then A <- A - lr V."""

    pairs: tuple[tuple[Product, Moments], ...]
    beta: float
    lr: float
    samples: int

    def run(self) -> None:
        """One step, from the products as they stand."""
        for p, (velocity,) in self.pairs:
            velocity.baddbmm_(p.left, p.right, beta=self.beta, alpha=1.0 / self.samples)
            velocity.add_(p.factor, alpha=p.decay)
            p.factor.sub_(velocity, alpha=self.lr)


@dataclass(frozen=True, slots=True)
class AdamUpdate:
    """V, S <- means of G and G^2, then A <- A - V / (sqrt(S) b + e) with b and e from each model's own age.

    With c_i = 1 - beta_i^t: b = c_1 / (lr sqrt(c_2)) and e = c_1 epsilon / lr.
    """

    pairs: tuple[tuple[Product, Moments], ...]
    slopes: tuple[Tensor, ...]
    ages: Float[Tensor, " E"]
    rule: Adam
    lr: float
    samples: int

    def run(self) -> None:
        """One step, from the products as they stand."""
        self.ages.add_(1.0)
        mean, square = (self._corrections(beta) for beta in (self.rule.beta1, self.rule.beta2))
        floor = mean * (self.rule.epsilon / self.lr)
        scale = mean / (square.sqrt() * self.lr)
        for (p, (first, second)), slope in zip(self.pairs, self.slopes, strict=True):
            torch.baddbmm(p.factor, p.left, p.right, beta=p.decay, alpha=1.0 / self.samples, out=slope)
            first.lerp_(slope, 1.0 - self.rule.beta1)
            second.mul_(self.rule.beta2).addcmul_(slope, slope, value=1.0 - self.rule.beta2)
            torch.sqrt(second, out=slope).mul_(scale).add_(floor)
            p.factor.addcdiv_(first, slope, value=-1.0)

    def _corrections(self, beta: float) -> Float[Tensor, "E 1 1"]:
        """1 - beta^t of every model, without cancellation; to be broadcast over a factor."""
        exponent = math.log(beta) if beta else -math.inf
        return torch.expm1(self.ages * exponent).neg_()[:, None, None]
