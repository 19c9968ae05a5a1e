"""What is decayed in training: the head and its features, as in the feature model, or every parameter alike."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.networks.head import DeepHead
from deepcollapse.networks.network import Network
from deepcollapse.ufm import Factors, Problem, forward, mean_loss, regularised_loss

__all__ = ["Decay", "StandardDecay", "UfmDecay", "add_decay"]


@runtime_checkable
class Decay(Protocol):
    """A quadratic penalty on parameters, and possibly on the features.

    Attributes:
        weights: lambda on every weight of the head.
        features: lambda_H on the features summed over all samples; 0 for none.
    """

    @property
    def weights(self) -> float:
        """Decay of every weight of the head."""
        ...

    @property
    def features(self) -> float:
        """Decay of the features."""
        ...

    def parameters(self, network: Network) -> Iterator[nn.Parameter]:
        """The parameters that are decayed, all by ``weights``."""
        ...

    def sizes(self, head: DeepHead, samples: int | tuple[int, ...]) -> Problem:
        """A feature model of the network's sizes, with the head's decays."""
        ...

    def total(self, network: Network, factors: Factors, *, problem: Problem) -> float:
        """The regularised objective in float64, at features and head as read off; ``problem`` is that of ``sizes``."""
        ...


@dataclass(frozen=True, slots=True)
class UfmDecay:
    """Decay on head weights and on features; none on the backbone.

    Attributes:
        weights: lambda_W > 0, on every weight of the head.
        features: lambda_H > 0, on the features summed over all samples.
        kind: its name in a specification.

    Raises:
        InvalidInputError: one of them is not a finite number > 0.
    """

    weights: float
    features: float
    kind: Literal["ufm"] = field(default="ufm", kw_only=True)

    def __post_init__(self) -> None:
        for name, value in (("weights", self.weights), ("features", self.features)):
            if not 0 < value < float("inf"):
                raise InvalidInputError(
                    f"decay of {name}: expected a finite number > 0, but found {value}; without decay no bound holds"
                )

    def parameters(self, network: Network) -> Iterator[nn.Parameter]:
        """W_1, ..., W_L."""
        yield from network.head.weights

    def problem(self, head: DeepHead, samples: int | tuple[int, ...]) -> Problem:
        """The feature model whose factors are the features and the head: decay (lambda_H, lambda_W, ..., lambda_W)."""
        return _problem(head, samples, features=self.features, weights=self.weights)

    def sizes(self, head: DeepHead, samples: int | tuple[int, ...]) -> Problem:
        """The same as ``problem``."""
        return self.problem(head, samples)

    def total(self, network: Network, factors: Factors, *, problem: Problem) -> float:
        """The feature model's F at the factors."""
        return regularised_loss(factors, problem)


@dataclass(frozen=True, slots=True)
class StandardDecay:
    """One decay on every parameter of backbone and head, none on the features: what optimisers call weight decay.

    The objective is mean cross-entropy + (lambda / 2) sum ||parameter||^2. It is not the feature model's F: features
    cost what the backbone's parameters cost that make them, so no lambda_H is given, and deep neural collapse has no
    bound that this objective could be held against. What can be compared are the head's own factors (their norms,
    balance and singular values, all at decay lambda) and the shape of the logits. ``balanced_problem`` gives the one
    feature model in which the head's first layer would be balanced with the features; its bound is an estimate read
    off the result, not a bound on it.

    Attributes:
        weights: lambda > 0.
        vectors: whether parameters with one dimension or none (biases, weights and biases of normalisation layers) are
            decayed too, as PyTorch's optimisers do when given all parameters; many published recipes leave them out.
        kind: its name in a specification.

    Raises:
        InvalidInputError: lambda is not a finite number > 0.
    """

    weights: float
    vectors: bool = True
    kind: Literal["standard"] = field(default="standard", kw_only=True)

    def __post_init__(self) -> None:
        if not 0 < self.weights < float("inf"):
            raise InvalidInputError(
                f"decay of weights: expected a finite number > 0, but found {self.weights}; without decay the logits "
                "grow forever"
            )

    @property
    def features(self) -> float:
        """0: the features themselves are free."""
        return 0.0

    def parameters(self, network: Network) -> Iterator[nn.Parameter]:
        """All parameters, or those with two dimensions and more."""
        for parameter in network.parameters():
            if self.vectors or parameter.ndim > 1:
                yield parameter

    def sizes(self, head: DeepHead, samples: int | tuple[int, ...]) -> Problem:
        """Sizes and the head's decays; the decay of the features is a place-holder that nothing may be read from."""
        return _problem(head, samples, features=self.weights, weights=self.weights)

    def balanced_problem(self, head: DeepHead, factors: Factors, *, samples: int | tuple[int, ...]) -> Problem:
        """The feature model with lambda_H = lambda ||W_1||^2 / ||H_1||^2.

        At critical points of a feature model adjacent factors have lambda_H ||H_1||^2 = lambda ||W_1||^2, so no other
        lambda_H could have this endpoint.

        Raises:
            UndefinedError: features or first layer are zero.
        """
        features, first = (float(np.square(factor).sum()) for factor in factors[:2])
        if features == 0 or first == 0:
            raise UndefinedError(
                f"decay of features: expected features and a first layer that are not zero, but found squared norms "
                f"{features:g} and {first:g}; the network collapsed"
            )
        return _problem(head, samples, features=self.weights * first / features, weights=self.weights)

    def total(self, network: Network, factors: Factors, *, problem: Problem) -> float:
        """Mean cross-entropy of the factors' logits and the decay of the network's parameters."""
        weights = np.full(problem.total_samples, 1.0 / problem.total_samples)
        data = float(mean_loss(forward(factors, problem), problem.labels, weights, kind="ce"))
        norms = sum(float(p.detach().cpu().double().square().sum()) for p in self.parameters(network))
        return data + 0.5 * self.weights * norms


def add_decay(parameters: Iterable[nn.Parameter], decay: float) -> None:
    """Add decay times parameter to every gradient; one that the loss does not reach has no other."""
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.add_(parameter * decay)


def _problem(head: DeepHead, samples: int | tuple[int, ...], *, features: float, weights: float) -> Problem:
    classes, width = head.weights[-1].shape
    if isinstance(samples, tuple) and len(set(samples)) == 1:
        samples = samples[0]
    return Problem(
        classes=classes,
        layers=head.layers,
        samples=samples,
        width=width,
        decay=(features, *(weights,) * head.layers),
        activation=head.activation,
    )
