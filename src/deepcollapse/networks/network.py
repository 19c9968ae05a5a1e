"""A backbone and a deep head, and their reading as a point of the unconstrained feature model."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from deepcollapse.networks.head import DeepHead
from deepcollapse.networks.pieces import pieces
from deepcollapse.ufm import Factors

__all__ = ["EVALUATION_PIECE", "Network", "evaluating", "features_in_pieces", "head_factors", "in_mode", "settling"]

EVALUATION_PIECE = 1024  # images in one evaluation pass


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
        """Those of backbone and head that are trained: frozen ones are part of no objective."""
        for module in (self.backbone, self.head):
            yield from (parameter for parameter in module.parameters() if parameter.requires_grad)

    def module(self) -> nn.Sequential:
        """Images to logits in one module, with the parts "backbone" and "head"."""
        return nn.Sequential(OrderedDict(backbone=self.backbone, head=self.head))

    def to(self, *, device: str | torch.device, dtype: torch.dtype) -> "Network":
        """Move and cast both modules in place."""
        return Network(self.backbone.to(device, dtype), self.head.to(device, dtype))

    def tensor(self, images: Float[np.ndarray, "N *shape"]) -> Float[torch.Tensor, "N *shape"]:
        """The images on the network's device and in its dtype."""
        weight = self.head.weights[0]
        return torch.as_tensor(images).to(weight.dtype).to(weight.device)  # not every device has float64

    def factors(self, images: Float[np.ndarray, "N *shape"]) -> Factors:
        """H_1 (d x N), W_1, ..., W_L in float64, in evaluation mode: where in the feature model the network stands."""
        with evaluating(self):
            return head_factors(features_in_pieces(self, self.tensor(images)), self.head)

    def accuracy(self, images: Float[np.ndarray, "N *shape"], labels: np.ndarray) -> float:
        """Share of images whose largest logit is that of their class, in evaluation mode."""
        with evaluating(self):
            predicted = self.head(features_in_pieces(self, self.tensor(images))).argmax(dim=1)
        return float((predicted.cpu().numpy() == labels).mean())


@contextmanager
def in_mode(network: Network, *, training: bool) -> Iterator[None]:
    """Training or evaluation mode for a while; every module is back in its own mode afterwards."""
    modules = [module for part in (network.backbone, network.head) for module in part.modules()]
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = training
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """Evaluation mode without gradients."""
    with in_mode(network, training=False), torch.inference_mode():
        yield


@contextmanager
def settling(network: Network) -> Iterator[None]:
    """Training mode without gradients, in which BatchNorm takes its statistics anew: plain means over what passes.

    The running means that training keeps lag behind the weights, by ten updates at PyTorch's momentum, so that while
    weights move fast a network in evaluation mode is not the one that is trained. Other buffers are afterwards as
    before.
    """
    norms: list[Any] = [module for module in network.backbone.modules() if _keeps_statistics(module)]
    own = {id(buffer) for norm in norms for buffer in norm.buffers(recurse=False)}
    others = [(buffer, buffer.clone()) for buffer in network.backbone.buffers() if id(buffer) not in own]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative mean
        with in_mode(network, training=True), torch.inference_mode():
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for buffer, before in others:
            buffer.copy_(before)


def _keeps_statistics(module: nn.Module) -> bool:
    return hasattr(module, "reset_running_stats") and getattr(module, "running_mean", None) is not None


def features_in_pieces(
    network: Network, images: Float[torch.Tensor, "N *shape"], *, piece: int | None = EVALUATION_PIECE
) -> Float[torch.Tensor, "N d"]:
    """Features of all images in their order, computed so many at a time; None for all at once."""
    parts = pieces(images, piece)
    if len(parts) == 1:
        return network.backbone(images)
    weight = network.head.weights[0]
    features = weight.new_empty((len(images), weight.shape[1]))
    for rows, part in zip(pieces(features, piece), parts, strict=True):
        rows.copy_(network.backbone(part))
    return features


def head_factors(features: Float[torch.Tensor, "N d"], head: DeepHead) -> Factors:
    """Features and head weights as float64 arrays, features first and one per column.

    Products of the weights are then taken in float64: in float32 the logits have a rounding floor near 1e-6 that looks
    like rank.
    """
    return tuple(tensor.detach().cpu().numpy().astype(np.float64) for tensor in (features.T, *head.weights))
