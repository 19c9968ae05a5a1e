"""The deep head: L layers without bias between features and logits, the part of a network the theory speaks of."""

import torch
from jaxtyping import Float
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Activation

__all__ = ["DeepHead", "deep_head"]


class DeepHead(nn.Module):
    """Logits z = W_L a(W_{L-1} ... a(W_1 h)), a the identity ("linear") or max(0, .) ("relu").

    As in ``deepcollapse.ufm``: the features h are not rectified, no layer has a bias. The layers are the submodules
    "linear.0", ..., so that a probe finds them.

    Args:
        weights: W_1, ..., W_{L-1} (d x d) and W_L (K x d).
        activation: "linear" or "relu".
    """

    def __init__(self, weights: tuple[torch.Tensor, ...], *, activation: Activation = "linear") -> None:
        super().__init__()
        self.linear = nn.ModuleList(_linear(weight) for weight in weights)
        self.activation: Activation = activation

    @property
    def weights(self) -> tuple[nn.Parameter, ...]:
        """W_1, ..., W_L."""
        return tuple(self.linear.parameters())

    @property
    def layers(self) -> int:
        """Number L of weight matrices."""
        return len(self.linear)

    def forward(self, features: Float[torch.Tensor, "N d"]) -> Float[torch.Tensor, "N K"]:
        """Logits, one row per sample."""
        last = self.layers - 1
        for depth, linear in enumerate(self.linear):
            features = linear(features)
            if self.activation == "relu" and depth < last:
                features = features.relu()
        return features


def deep_head(
    classes: int,
    *,
    layers: int,
    width: int,
    generator: torch.Generator,
    scale: float = 3.0**-0.5,
    activation: Activation = "linear",
) -> DeepHead:
    """A head with independent N(0, scale^2 / d) weights, drawn on the CPU in float64.

    The default scale gives the standard deviation of PyTorch's linear layers, 1/sqrt(3 d). It decides what training
    ends at: larger ones lead to higher rank, and a deep ReLU head with a small one falls to Z = 0.

    Raises:
        InvalidInputError: a size below 1 (classes: 2), a scale that is not positive, or an unknown activation.
    """
    for name, value, least in (("classes", classes, 2), ("layers", layers, 1), ("width", width, 1)):
        if value < least:
            raise InvalidInputError(f"{name}: expected at least {least}, but found {value}; raise it")
    if not 0 < scale < float("inf"):
        raise InvalidInputError(f"scale: expected a finite number > 0, but found {scale}; zero weights never learn")
    if activation not in ("linear", "relu"):
        raise InvalidInputError(
            f'activation: expected "linear" or "relu", but found {activation!r}; choose one of the two'
        )
    shapes = [(width, width)] * (layers - 1) + [(classes, width)]
    weights = tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64) * (scale / width**0.5) for shape in shapes
    )
    return DeepHead(weights, activation=activation)


def _linear(weight: torch.Tensor) -> nn.Linear:
    rows, columns = weight.shape
    layer = nn.Linear(columns, rows, bias=False, device="meta")
    layer.weight = nn.Parameter(weight)
    return layer
