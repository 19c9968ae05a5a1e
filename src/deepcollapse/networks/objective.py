"""The regularised loss of a network with a deep head, under the decay that the feature model describes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch.nn.functional import cross_entropy

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.head import DeepHead
from deepcollapse.ufm import Problem

__all__ = ["UfmDecay", "objective"]


@dataclass(frozen=True, slots=True)
class UfmDecay:
    """Decay on head weights and on features; none on the backbone.

    Attributes:
        weights: lambda_W > 0, on every weight of the head.
        features: lambda_H > 0, on the features summed over all samples.

    Raises:
        InvalidInputError: one of them is not a finite number > 0.
    """

    weights: float
    features: float

    def __post_init__(self) -> None:
        for name, value in (("weights", self.weights), ("features", self.features)):
            if not 0 < value < float("inf"):
                raise InvalidInputError(
                    f"decay of {name}: expected a finite number > 0, but found {value}; without decay no bound holds"
                )

    def problem(self, head: DeepHead, samples: int | tuple[int, ...]) -> Problem:
        """The feature model whose factors are the features and the head: decay (lambda_H, lambda_W, ..., lambda_W)."""
        classes, width = head.weights[-1].shape
        if isinstance(samples, tuple) and len(set(samples)) == 1:
            samples = samples[0]
        return Problem(
            classes=classes,
            layers=head.layers,
            samples=samples,
            width=width,
            decay=(self.features, *(self.weights,) * head.layers),
            activation=head.activation,
        )


def objective(
    features: Float[torch.Tensor, "N d"],
    labels: Int[torch.Tensor, " N"],
    head: DeepHead,
    *,
    decay: UfmDecay,
) -> Float[torch.Tensor, ""]:
    """Mean cross-entropy + (lambda_W / 2) sum_l ||W_l||^2 + (lambda_H / 2) ||H_1||^2.

    The features' norm is summed over the samples, not averaged, so that it is the feature model's
    F(H_1, W_1, ..., W_L) at the network's own features, and no network is below min F. Only lambda_H n matters when the
    samples per class n change.

    Source: arXiv 2410.23169, experiments on real networks.
    """
    weights = sum((weight.square().sum() for weight in head.weights), start=features.new_zeros(()))
    penalty = 0.5 * decay.weights * weights + 0.5 * decay.features * features.square().sum()
    return cross_entropy(head(features), labels) + penalty
