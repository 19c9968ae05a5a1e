"""The part of a network before its head, as a specification names it."""

import math
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import conv_net, mlp, resnet20

__all__ = ["Backbone", "ConvBackbone", "FactoryBackbone", "MlpBackbone", "ResNetBackbone"]

Shape = tuple[int, ...]
"""Of one image: pixels, or channels, height and width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpBackbone:
    """Fully connected layers with ReLU between them.

    Attributes:
        hidden: widths of the hidden layers.
        kind: its name in a specification.
    """

    hidden: tuple[int, ...] = (256, 256)
    kind: Literal["mlp"] = "mlp"

    def module(self, shape: Shape, *, width: int, generator: torch.Generator) -> nn.Module:
        """Images of this shape to features of this width."""
        return mlp((math.prod(shape), *self.hidden, width), generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvBackbone:
    """A few convolutions without normalisation.

    Attributes:
        channels: after each stage.
        kind: its name in a specification.
    """

    channels: tuple[int, ...] = (16, 32)
    kind: Literal["conv"] = "conv"

    def module(self, shape: Shape, *, width: int, generator: torch.Generator) -> nn.Module:
        """Images of this shape to features of this width."""
        channels, height, breadth = _image(shape)
        return conv_net((channels, height, breadth), generator=generator, channels=self.channels, width=width)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetBackbone:
    """ResNet-20 of He et al. 2016.

    Attributes:
        residual_scale: initial weight of the last BatchNorm of every block; 0 starts the blocks as shortcuts.
        projection: a linear map behind the 64 pooled channels, so that features can have either sign and any width;
            None for one at widths other than 64.
        kind: its name in a specification.
    """

    residual_scale: float = 1.0
    projection: bool | None = None
    kind: Literal["resnet20"] = "resnet20"

    def module(self, shape: Shape, *, width: int, generator: torch.Generator) -> nn.Module:
        """Images of this shape to features of this width."""
        if self.projection is False and width != _POOLED:
            raise InvalidInputError(
                f"backbone.projection: expected head.width {_POOLED} without one, but found {width}; leave it out"
            )
        mapped = width != _POOLED if self.projection is None else self.projection
        return resnet20(
            _image(shape)[0],
            generator=generator,
            width=width if mapped else None,
            residual_scale=self.residual_scale,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryBackbone:
    """Any module: ``function(shape, width=d, generator=generator, **arguments)`` makes it.

    Attributes:
        factory: "package.module:function".
        arguments: of the function, besides those above.
        kind: its name in a specification.
    """

    factory: str
    arguments: dict[str, Any] = field(default_factory=dict)
    kind: Literal["factory"] = "factory"

    def module(self, shape: Shape, *, width: int, generator: torch.Generator) -> nn.Module:
        """What the function makes.

        Raises:
            InvalidInputError: no such function, or it raises, or returns no module.
        """
        module, _, name = self.factory.partition(":")
        try:
            function = getattr(import_module(module), name)
        except Exception as error:  # a module may be anyone's code and raise anything
            raise InvalidInputError(
                f"backbone.factory: expected package.module:function, but found {self.factory!r} ({error}); correct "
                "it, or put its folder on PYTHONPATH"
            ) from error
        try:
            made = function(shape, width=width, generator=generator, **self.arguments)
        except Exception as error:
            raise InvalidInputError(
                f"backbone.factory: expected {self.factory} to take an image's shape, width, generator and its "
                f"arguments, but found {error!r}; correct it"
            ) from error
        if not isinstance(made, nn.Module):
            raise InvalidInputError(
                f"backbone.factory: expected a torch.nn.Module from {self.factory}, but found {type(made).__name__}; "
                "return one that maps images to features"
            )
        return made


Backbone = MlpBackbone | ConvBackbone | ResNetBackbone | FactoryBackbone

_POOLED = 64


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise InvalidInputError(
            f"backbone: expected images of channels x height x width, but found shape {shape}; take kind mlp"
        )
    return shape[0], shape[1], shape[2]
