"""Gradients of many models at once, as pairs of matrices whose product is a factor's gradient.

For one model write R = N dg/dZ (K x N; softmax(Z) - Y or Z - Y). Every factor's gradient has the form
left @ right / N + decay A, and the product is never formed: it goes straight into the factor
(A <- (1 - lr decay) A - (lr / N) left @ right, one batched call). Which matrices left and right are differs:

linear: with the K x d products B_l = W_L ... W_l and C_l = R H_1^T W_1^T ... W_{l-1}^T,
    H_1: B_1^T, R;  W_l: B_{l+1}^T, C_l;  W_L: C_{L-1}, W_{L-1}^T  (R, H_1^T for L = 1).
    A hidden layer costs three products of 2 K d^2 operations; nothing of size N d^2 or d^3 occurs.
relu: plain back-propagation; with X_1 = H_1, X_l = relu(H_l) and E_l = dg/dH_{l+1} N,
    H_1: W_1^T, E_1;  W_l: E_l, X_l^T;  W_L: R, X_L^T.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from deepcollapse.ufm import Loss, Problem

__all__ = ["Backward", "LinearBackward", "Product", "ReluBackward", "Residual", "backward", "one_hot", "padded_targets"]


@dataclass(frozen=True, slots=True)
class Product:
    """One factor of all models, and the two matrices whose product is N times its data gradient."""

    factor: Float[Tensor, "E r c"]
    left: Float[Tensor, "E r i"]
    right: Float[Tensor, "E i c"]
    decay: float


@runtime_checkable
class Backward(Protocol):
    """A forward and backward pass over given factors, into buffers made once.

    ``products`` are listed in the order in which the factors may be updated in place: no product reads a factor that
    stands before it.
    """

    @property
    def logits(self) -> Float[Tensor, "E K C"]:
        """Z of the last pass, one column per column of the features."""
        ...

    @property
    def products(self) -> tuple[Product, ...]:
        """One per factor."""
        ...

    def run(self) -> None:
        """Bring the logits and the products up to date with the factors."""
        ...


def backward(factors: Sequence[Tensor], problem: Problem) -> Backward:
    """The pass for the problem's activation; with one layer there is nothing to rectify."""
    if problem.activation == "linear" or problem.layers == 1:
        return LinearBackward.over(factors, problem)
    return ReluBackward.over(factors, problem)


@dataclass(frozen=True, slots=True)
class LinearBackward:
    """Deep linear models: Z = (W_L ... W_1) H_1 through K x d products.

    Attributes:
        factors: H_1, W_1, ..., W_L.
        decays: theirs.
        ahead: B_1, ..., B_L.
        behind: C_1, ..., C_{L-1}.
        residual: Z and R.
    """

    factors: tuple[Tensor, ...]
    decays: tuple[float, ...]
    ahead: tuple[Float[Tensor, "E K d"], ...]
    behind: tuple[Float[Tensor, "E K d"], ...]
    residual: "Residual"

    @classmethod
    def over(cls, factors: Sequence[Tensor], problem: Problem) -> "LinearBackward":
        """A pass over these factors, with buffers of its own."""
        ahead = tuple(torch.empty_like(factors[-1]) for _ in factors[1:])
        behind = tuple(torch.empty_like(factors[-1]) for _ in factors[2:])
        residual = Residual.like(factors[0], problem)
        return cls(tuple(factors), problem.factor_decays, ahead, behind, residual)

    @property
    def logits(self) -> Float[Tensor, "E K C"]:
        """Z of the last pass, one column per column of the features."""
        return self.residual.logits

    @property
    def products(self) -> tuple[Product, ...]:
        """W_L first: its product reads the factor before it, all others read buffers only."""
        last = self.behind[-1] if self.behind else self.residual.value
        lefts = [*(product.mT for product in self.ahead), last]
        rights = [self.residual.value, *self.behind, self.factors[-2].mT]
        rows = zip(self.factors, lefts, rights, self.decays, strict=True)
        return tuple(Product(*row) for row in rows)[::-1]

    def run(self) -> None:
        """B_L .. B_1, then Z and R, then C_1 .. C_{L-1}."""
        features, *weights = self.factors
        self.ahead[-1].copy_(weights[-1])
        for l in range(len(weights) - 1, 0, -1):
            torch.bmm(self.ahead[l], weights[l - 1], out=self.ahead[l - 1])
        torch.bmm(self.ahead[0], features, out=self.residual.logits)
        self.residual.run()
        left = self.residual.value
        for product, factor in zip(self.behind, self.factors, strict=False):
            left = torch.bmm(left, factor.mT, out=product)


@dataclass(frozen=True, slots=True)
class ReluBackward:
    """ReLU models, L >= 2: H_2 = W_1 H_1, H_{l+1} = W_l relu(H_l), Z = W_L relu(H_L); relu'(0) = 0.

    Attributes:
        factors: H_1, W_1, ..., W_L.
        decays: theirs.
        inputs: X_1, ..., X_L.
        errors: E_1, ..., E_{L-1}.
        active: room for one derivative of relu.
        residual: Z and R.
    """

    factors: tuple[Tensor, ...]
    decays: tuple[float, ...]
    inputs: tuple[Float[Tensor, "E d C"], ...]
    errors: tuple[Float[Tensor, "E d C"], ...]
    active: Float[Tensor, "E d C"]
    residual: "Residual"

    @classmethod
    def over(cls, factors: Sequence[Tensor], problem: Problem) -> "ReluBackward":
        """A pass over these factors, with buffers of its own."""
        inputs = tuple(torch.empty_like(factors[0]) for _ in factors[1:])
        errors = tuple(torch.empty_like(factors[0]) for _ in factors[2:])
        active, residual = torch.empty_like(factors[0]), Residual.like(factors[0], problem)
        return cls(tuple(factors), problem.factor_decays, inputs, errors, active, residual)

    @property
    def logits(self) -> Float[Tensor, "E K C"]:
        """Z of the last pass, one column per column of the features."""
        return self.residual.logits

    @property
    def products(self) -> tuple[Product, ...]:
        """H_1 first: its product reads W_1, all others read buffers only."""
        errors = (*self.errors, self.residual.value)
        lefts = (self.factors[1].mT, *errors)
        rights = (errors[0], *(given.mT for given in self.inputs))
        rows = zip(self.factors, lefts, rights, self.decays, strict=True)
        return tuple(Product(*row) for row in rows)

    def run(self) -> None:
        """X_1 .. X_L, then Z and R, then E_{L-1} .. E_1."""
        features, *weights = self.factors
        self.inputs[0].copy_(features)
        for l in range(1, len(weights)):
            torch.bmm(weights[l - 1], self.inputs[l - 1], out=self.inputs[l]).clamp_(min=0.0)
        torch.bmm(weights[-1], self.inputs[-1], out=self.residual.logits)
        self.residual.run()
        error = self.residual.value
        for l in range(len(weights) - 1, 0, -1):
            error = torch.bmm(weights[l].mT, error, out=self.errors[l - 1])
            error.mul_(torch.sign(self.inputs[l], out=self.active))


@dataclass(frozen=True, slots=True)
class Residual:
    """R = N dg/dZ from the logits: softmax(Z) - Y for "ce", Z - Y for "mse".

    Attributes:
        logits: Z.
        value: R.
        targets: Y.
        kind: the loss.
    """

    logits: Float[Tensor, "E K C"]
    value: Float[Tensor, "E K C"]
    targets: Float[Tensor, "K C"]
    kind: Loss

    @classmethod
    def like(cls, features: Float[Tensor, "E d C"], problem: Problem) -> "Residual":
        """Room for as many models as there are features."""
        shape = (features.shape[0], problem.classes, features.shape[2])
        targets = padded_targets(problem, features)
        return cls(features.new_empty(shape), features.new_empty(shape), targets, problem.loss)

    def run(self) -> None:
        """Bring R up to date with Z."""
        if self.kind == "mse":
            torch.sub(self.logits, self.targets, out=self.value)
            return
        torch.softmax(self.logits, 1, out=self.value)
        self.value.sub_(self.targets)


def padded_targets(problem: Problem, features: Float[Tensor, "_ d C"]) -> Float[Tensor, "K C"]:
    """Y, one column per column of the features, in their precision and on their device.

    Columns beyond the N samples are there for speed. Their features start at zero and get the target that zero logits
    meet, so their residual is exactly zero and they stay where they are: 1 / K for "ce", 0 for "mse".
    """
    idle = 1.0 / problem.classes if problem.loss == "ce" else 0.0
    targets = features.new_full((problem.classes, features.shape[2]), idle)
    targets[:, : problem.total_samples] = one_hot(problem, features)
    return targets


def one_hot(problem: Problem, like: Tensor) -> Float[Tensor, "K N"]:
    """Y, on the device and in the precision of another tensor."""
    labels = torch.from_numpy(problem.labels).to(like.device)
    return torch.eye(problem.classes, dtype=like.dtype, device=like.device)[:, labels]
