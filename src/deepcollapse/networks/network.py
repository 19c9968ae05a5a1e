"""A backbone and a deep head, and their reading as a point of the unconstrained feature model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from deepcollapse.networks.head import DeepHead
from deepcollapse.ufm import Factors

__all__ = ["Network", "head_factors"]


@dataclass(frozen=True, slots=True)
class Network:
    """Images -> features H_1 (backbone) -> logits (head).

    Attributes:
        backbone: any module that ends in N x d features.
        head: the deep head of width d.
    """

    backbone: nn.Module
    head: DeepHead

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of backbone and head."""
        yield from self.backbone.parameters()
        yield from self.head.parameters()

    def to(self, *, device: str | torch.device, dtype: torch.dtype) -> "Network":
        """Move and cast both modules in place."""
        return Network(self.backbone.to(device, dtype), self.head.to(device, dtype))

    def tensor(self, images: Float[np.ndarray, "N *shape"]) -> Float[torch.Tensor, "N *shape"]:
        """The images on the network's device and in its dtype."""
        weight = self.head.weights[0]
        return torch.as_tensor(images, device=weight.device).to(weight.dtype)

    def factors(self, images: Float[np.ndarray, "N *shape"]) -> Factors:
        """H_1 (d x N), W_1, ..., W_L in float64: where in the feature model the network stands."""
        with torch.no_grad():
            return head_factors(self.backbone(self.tensor(images)), self.head)

    def accuracy(self, images: Float[np.ndarray, "N *shape"], labels: np.ndarray) -> float:
        """Share of images whose largest logit is that of their class."""
        with torch.no_grad():
            predicted = self.head(self.backbone(self.tensor(images))).argmax(dim=1)
        return float((predicted.cpu().numpy() == labels).mean())


def head_factors(features: Float[torch.Tensor, "N d"], head: DeepHead) -> Factors:
    """Features and head weights as float64 arrays, features first and one per column.

    Products of the weights are then taken in float64: in float32 the logits have a rounding floor near 1e-6 that looks
    like rank.
    """
    return tuple(tensor.detach().cpu().numpy().astype(np.float64) for tensor in (features.T, *head.weights))
