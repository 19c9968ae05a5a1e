"""The plainest backbone: fully connected layers with ReLU between them."""

from itertools import pairwise

import torch
from torch import nn

from deepcollapse.errors import InvalidInputError

__all__ = ["mlp"]


def mlp(sizes: tuple[int, ...], *, generator: torch.Generator) -> nn.Sequential:
    """Linear layers of these sizes, ReLU between them and none at the end, so that features can have either sign.

    Weights and biases are uniform on +-1/sqrt(fan-in), PyTorch's own rule, drawn on the CPU in float64: cast to another
    dtype or device it is the same network.

    Args:
        sizes: pixels, hidden widths, and the width d of the features.
        generator: the only source of randomness.

    Raises:
        InvalidInputError: fewer than two sizes, or one below 1.

    >>> mlp((64, 128, 16), generator=torch.Generator().manual_seed(0))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=64, out_features=128, bias=True)
      (2): ReLU()
      (3): Linear(in_features=128, out_features=16, bias=True)
    )
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InvalidInputError(
            f"sizes: expected at least two widths >= 1, from pixels to features, but found {sizes}; add or raise them"
        )
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [_linear(inputs, outputs, generator), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, device="meta", dtype=torch.float64).to_empty(device="cpu")
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer
