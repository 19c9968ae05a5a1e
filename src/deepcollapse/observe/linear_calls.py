"""Calls of linear maps, among which the one that gave the logits is found."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import cast

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.features import end_position, real_mean
from deepcollapse.stats.tensors import whole

__all__ = ["LinearCall", "affine_map", "is_linear", "transposed_linear"]

# Rounding to bfloat16 moves a number by up to 2^-8 of itself; factors and sum are rounded, which 2^-6 covers.
_ROUNDING = 2.0**-6
_TRANSPOSED = "transformers.pytorch_utils"


def transposed_linear() -> tuple[type[nn.Module], ...]:
    """The class ``Conv1D`` of transformers, a linear map whose weight is d x K; empty where it is not loaded."""
    found = getattr(sys.modules.get(_TRANSPOSED), "Conv1D", None)
    return () if found is None else (found,)


def is_linear(module: nn.Module) -> bool:
    """Whether it may be a linear map from d features to K outputs, at every position alike."""
    return isinstance(module, (nn.Linear, *transposed_linear())) or (
        isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups == 1
    )


def affine_map(name: str, module: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """W (K x d) and b in float64 on the CPU, b zero where there is none.

    Raises:
        InvalidInputError: this process has a part of the weight only, and no way to ask for all of it.
    """
    own, offset = cast(torch.Tensor, module.weight), cast(torch.Tensor | None, module.bias)
    weight = whole(own.detach()).cpu().double()
    weight = weight.T if isinstance(module, transposed_linear()) else weight
    if weight.ndim < 2 or not weight.numel():
        raise InvalidInputError(
            f"classifier: expected the whole weight of {name!r}, but found a part of shape {tuple(weight.shape)}; "
            "gather the parameters of the sharded network first, or measure a checkpoint"
        )
    weight = weight.flatten(1)
    return weight, torch.zeros_like(weight[:, 0]) if offset is None else whole(offset.detach()).cpu().double()


@dataclass(frozen=True, slots=True)
class LinearCall:
    """One call of a linear map: copies, so that nothing that runs later changes them.

    Attributes:
        name: of the module.
        module: the map.
        features: N x P x d, what enters at each of P positions.
        output: N x P x K, what comes out there.
    """

    name: str
    module: nn.Module
    features: torch.Tensor
    output: torch.Tensor

    @classmethod
    def of(cls, name: str, module: nn.Module, *, entering: torch.Tensor, output: torch.Tensor) -> "LinearCall | None":
        """The call; None where the output at a position does not follow from the features there alone."""
        entering, output = whole(entering.detach()), whole(output.detach())
        if entering.ndim < 2 or output.ndim != entering.ndim:
            return None
        if isinstance(module, _ConvNd):
            if entering.ndim != len(module.kernel_size) + 2 or not (rows := _patches(module, entering, output)):
                return None
            entering, output = rows
        else:
            entering, output = (part.reshape(len(part), -1, part.shape[-1]) for part in (entering, output))
        return cls(name, module, entering.clone(), output.clone())

    @property
    def positions(self) -> int:
        """P."""
        return self.output.shape[1]

    def by_token(self, tokens: torch.Tensor) -> "LinearCall | None":
        """The call on these of N x P tokens, each a sample of one position; None for other positions."""
        if tokens.shape != self.output.shape[:2]:
            return None
        kept = tokens.to(self.output.device)
        return replace(self, features=self.features[kept][:, None], output=self.output[kept][:, None])

    def features_of(self, logits: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor | None:
        """Features N x d from which this map makes the logits, at one position of each sample or in their mean.

        None where it does not make them, and where a sample has them at several positions with different features.

        Args:
            logits: N x K.
            real: N x P booleans, which positions are real; None for all.
        """
        if self.output.shape[::2] != logits.shape:
            return None
        output, features = self.output, self.features
        wide = torch.promote_types(output.dtype, logits.dtype)
        same = (output.to(wide) == logits.to(output.device, wide)[:, None]).all(dim=2)
        rows = torch.arange(len(output), device=output.device)
        for index in _ends(real, output):
            if bool(same[rows, index].all()):
                return features[rows, index]
        if bool(same.any(dim=1).all()):
            found = features[rows, same.int().argmax(dim=1)]
            differs = (features != found[:, None]).any(dim=2) & same
            return None if bool(differs.any()) else found
        return _mean_features(features, output, logits, real=real)

    def makes(self, logits: torch.Tensor, features: torch.Tensor) -> bool:
        """Whether the logits are W x + b up to rounding, which a subclass of nn.Linear may not keep to."""
        weight, bias = affine_map(self.name, self.module)
        rows, scores = features.cpu().double(), logits.cpu().double()
        if rows.shape[1] != weight.shape[1]:
            return False
        gap = (rows @ weight.T + bias - scores).abs()
        return bool((gap <= _ROUNDING * (rows.abs() @ weight.abs().T + bias.abs())).all())


def _patches(module: _ConvNd, entering: torch.Tensor, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Input and output by position, where each output sees one position or where there is one output."""
    if prod(module.kernel_size) == 1 and entering.shape[2:] == output.shape[2:]:
        return entering.flatten(2).transpose(1, 2), output.flatten(2).transpose(1, 2)
    if prod(output.shape[2:]) == 1 and tuple(entering.shape[2:]) == tuple(module.kernel_size):
        return entering.flatten(1)[:, None], output.flatten(2).transpose(1, 2)
    return None


def _ends(real: torch.Tensor | None, output: torch.Tensor) -> Iterator[torch.Tensor]:
    """The positions from which classifiers usually read, one per sample: the last real one, the last, the first."""
    samples, positions = output.shape[:2]
    if real is not None and real.shape == (samples, positions):
        real = real.to(output.device)
        yield end_position(real, last=True)
        yield end_position(real, last=False)
    for position in sorted({positions - 1, 0}, reverse=True):
        yield torch.full((samples,), position, device=output.device)


def _mean_features(
    features: torch.Tensor, output: torch.Tensor, logits: torch.Tensor, *, real: torch.Tensor | None
) -> torch.Tensor | None:
    """Mean of the features over positions, if the logits are the mean of the output up to the rounding of a sum."""
    every = torch.ones(output.shape[:2], dtype=torch.bool, device=output.device)
    fits = real is not None and real.shape == every.shape
    for places in ([real.to(output.device)] if real is not None and fits else []) + [every]:
        mean, size = real_mean(output, places), real_mean(output.abs(), places)
        eps = torch.finfo(logits.dtype).eps + torch.finfo(output.dtype).eps
        if bool(((mean - logits.to(output.device)).abs() <= output.shape[1] * eps * size).all()):
            return real_mean(features, places)
    return None
