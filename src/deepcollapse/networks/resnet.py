"""ResNet-20 in the form for small images, as a backbone."""

import torch
from jaxtyping import Float
from torch import nn
from torch.nn.functional import pad

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.conv_net import convolution, expect_width
from deepcollapse.networks.mlp import mlp

__all__ = ["ResidualBlock", "resnet20"]

_STAGES = (16, 32, 64)
_BLOCKS = 3


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + branch(x)), the branch being convolution, BatchNorm, ReLU, convolution, BatchNorm.

    The shortcut has no parameters (option A): where the block strides it takes every second row and column, and where
    the block widens it adds channels of zeros behind the others.

    Args:
        inputs: channels of x.
        outputs: channels of the result, at least as many.
        stride: of the first convolution.
        generator: the only source of randomness.
        residual_scale: initial weight of the last BatchNorm.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, generator: torch.Generator, residual_scale: float
    ) -> None:
        super().__init__()
        self.stride, self.widening = stride, outputs - inputs
        self.branch = nn.Sequential(
            convolution(inputs, outputs, generator=generator, stride=stride),
            _batch_norm(outputs),
            nn.ReLU(inplace=True),
            convolution(outputs, outputs, generator=generator),
            _batch_norm(outputs, weight=residual_scale),
        )

    def forward(self, x: Float[torch.Tensor, "N c h w"]) -> Float[torch.Tensor, "N C H W"]:
        """Channels and image of the next block.

        Sum and ReLU overwrite what BatchNorm returned, which no gradient needs, and take no memory of their own.
        """
        shortcut = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        if self.widening:
            shortcut = pad(shortcut, (0, 0, 0, 0, 0, self.widening))
        return self.branch(x).add_(shortcut).relu_()


def resnet20(
    channels: int, *, generator: torch.Generator, width: int | None = None, residual_scale: float = 1.0
) -> nn.Sequential:
    """The 19 convolutions of ResNet-20, global average pooling, and N x d features.

    A 3x3 stem of 16 channels, three stages of three blocks with 16, 32 and 64 channels (the second and third halve the
    image), BatchNorm behind every convolution, shortcuts without parameters. No dropout, no pooling but the last.

    Without ``width`` the features are the 64 pooled channels of the original: means of ReLU outputs, so that neither
    they nor their inner products are negative, and features like those of deep neural collapse, where some inner
    products are negative, are out of reach. With ``width`` a biased linear map follows, also at width 64, and features
    can have either sign. ``resnet20(3, width=10, ...)`` is the original classifier with its 269,722 parameters.

    Convolutions as in ``convolution``; BatchNorm starts at weight 1 and bias 0, epsilon and momentum are PyTorch's.
    All is drawn on the CPU in float64: cast to another dtype or device it is the same network. In training mode the
    features depend on the batch.

    Args:
        channels: of the images, 1 for MNIST, 3 for CIFAR; inputs are N x channels x height x width of any size.
        generator: the only source of randomness.
        width: d; None for the 64 pooled channels.
        residual_scale: initial weight of the last BatchNorm of every block's branch; at 0 the blocks start as
            shortcuts (Goyal et al., arXiv 1706.02677).

    Raises:
        InvalidInputError: a size below 1, or a scale that is negative or not finite.

    Source: He et al. 2016, arXiv 1512.03385, Section 4.2.

    >>> backbone = resnet20(1, generator=torch.Generator().manual_seed(0))
    >>> backbone(torch.zeros(5, 1, 28, 28, dtype=torch.float64)).shape
    torch.Size([5, 64])
    """
    expect_width("channels", channels)
    if width is not None:
        expect_width("width", width)
    if not 0 <= residual_scale < float("inf"):
        raise InvalidInputError(
            f"residual_scale: expected a finite number >= 0, but found {residual_scale}; 1 is the original, 0 starts "
            "every block as its shortcut"
        )
    layers: list[nn.Module] = [convolution(channels, _STAGES[0], generator=generator), _batch_norm(16)]
    layers.append(nn.ReLU(inplace=True))
    inputs = _STAGES[0]
    for outputs in _STAGES:
        for _ in range(_BLOCKS):
            stride = 2 if outputs > inputs else 1
            layers.append(
                ResidualBlock(inputs, outputs, stride=stride, generator=generator, residual_scale=residual_scale)
            )
            inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if width is not None:
        layers.append(mlp((inputs, width), generator=generator)[1])
    return nn.Sequential(*layers)


def _batch_norm(channels: int, *, weight: float = 1.0) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels, dtype=torch.float64)
    nn.init.constant_(layer.weight, weight)
    return layer
