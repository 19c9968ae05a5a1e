"""A small convolutional backbone without normalisation layers, and the convolution that all backbones draw."""

from itertools import pairwise

import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.mlp import mlp

__all__ = ["conv_net", "convolution", "expect_width"]


def conv_net(
    shape: tuple[int, int, int], *, generator: torch.Generator, channels: tuple[int, ...] = (16, 32), width: int = 64
) -> nn.Sequential:
    """Stages of 3x3 convolution with bias, ReLU and 2x2 maximum, then one biased linear map to N x d features.

    Nothing depends on the batch, so training and evaluation mode are the same function, and the features can have
    either sign. Weights as in ``convolution`` and ``mlp``, drawn on the CPU in float64.

    Args:
        shape: channels, height and width of one image; inputs are N x channels x height x width.
        generator: the only source of randomness.
        channels: channels after each stage; a stage halves the image, rounding down.
        width: d.

    Raises:
        InvalidInputError: a size below 1, or more stages than the image can be halved.

    >>> backbone = conv_net((1, 28, 28), generator=torch.Generator().manual_seed(0), width=16)
    >>> backbone(torch.zeros(5, 1, 28, 28, dtype=torch.float64)).shape, sum(p.numel() for p in backbone.parameters())
    (torch.Size([5, 16]), 29904)
    """
    expect_width("width", width)
    for name, sizes in (("shape", shape), ("channels", channels)):
        if not sizes or min(sizes) < 1:
            raise InvalidInputError(f"{name}: expected sizes >= 1, but found {sizes}; raise them")
    stages = len(channels)
    height, breadth = (side >> stages for side in shape[1:])
    if min(height, breadth) < 1:
        raise InvalidInputError(
            f"channels: expected at most {min(shape[1:]).bit_length() - 1} stages, each halving images of "
            f"{shape[1]}x{shape[2]}, but found {stages}; leave some out"
        )
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((shape[0], *channels)):
        layers += [convolution(inputs, outputs, generator=generator, bias=True), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, mlp((channels[-1] * height * breadth, width), generator=generator))


def convolution(
    inputs: int, outputs: int, *, generator: torch.Generator, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A 3x3 convolution with padding 1 and independent N(0, 2 / (9 inputs)) weights, its bias zero.

    The variance keeps that of the signal through ReLU layers.

    Source: He et al. 2015, arXiv 1502.01852, equation 10.
    """
    layer = nn.Conv2d(
        inputs, outputs, 3, stride=stride, padding=1, bias=bias, device="meta", dtype=torch.float64
    ).to_empty(device="cpu")
    nn.init.normal_(layer.weight, std=(2.0 / (9 * inputs)) ** 0.5, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def expect_width(name: str, value: int) -> None:
    """Raise InvalidInputError unless a width is at least 1."""
    if value < 1:
        raise InvalidInputError(f"{name}: expected a whole number >= 1, but found {value}; raise it")
