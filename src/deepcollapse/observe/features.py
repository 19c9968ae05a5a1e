"""From what a module returns to features, one row per sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from deepcollapse.errors import InvalidInputError

__all__ = ["POOLINGS", "FeatureReader"]

POOLINGS = ("mean", "flatten", "first", "last")
_CHANNELS_FIRST = (_ConvNd, _BatchNorm, _AvgPoolNd, _MaxPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)


@dataclass(frozen=True, slots=True)
class FeatureReader:
    """How features are read off an output.

    Attributes:
        pooling: over the positions of images and sequences: "mean", "flatten", or "first" or "last" token of sequences.
        outputs: by layer, which part of a tuple (its index) or mapping (its key) is meant, or a function from the
            output to a tensor with samples first.
        sequence_first: some module of the network puts time before samples.
    """

    pooling: str = "mean"
    outputs: Mapping[str, int | str | Callable[[Any], Any]] = field(default_factory=dict)
    sequence_first: bool = False

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise InvalidInputError(
                f"pooling: expected one of {list(POOLINGS)}, but found {self.pooling!r}; choose one of them"
            )

    def __call__(self, name: str, module: nn.Module, output: Any) -> torch.Tensor:
        """Features N x d of one call, which nothing that runs later can change.

        Raises:
            InvalidInputError: no tensor of floating-point numbers in the output, or one whose samples are not certain.
        """
        tensor = self._tensor(name, output)
        if not tensor.is_floating_point() or tensor.ndim == 0:
            raise InvalidInputError(
                f"{name}: expected floating-point features with samples first, but found {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}; choose another layer, or pass outputs={{{name!r}: lambda output: ...}}"
            )
        tensor = tensor.detach()
        features = self._pooled(module, self._samples_first(name, module, tensor))
        # a later in-place operation of the network must not reach a view
        shared = features.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
        return features.clone() if shared else features

    def _tensor(self, name: str, output: Any) -> torch.Tensor:
        choice = self.outputs.get(name)
        if callable(choice):
            found = choice(output)
        elif choice is not None:
            found = _part(name, output, choice)
        else:
            found = _first_tensor(output)
        if not isinstance(found, torch.Tensor):
            raise InvalidInputError(
                f"{name}: expected a tensor in the output, but found {type(found).__name__}; pass "
                f"outputs={{{name!r}: key, index or lambda output: ...}}"
            )
        return found

    def _samples_first(self, name: str, module: nn.Module, tensor: torch.Tensor) -> torch.Tensor:
        choice = self.outputs.get(name, 0)
        if tensor.ndim != 3 or callable(choice):
            return tensor
        if isinstance(module, nn.RNNBase):  # its final states put layers before samples, whatever batch_first says
            return tensor if module.batch_first and choice == 0 else tensor.transpose(0, 1)
        if isinstance(module, nn.MultiheadAttention):
            return tensor if module.batch_first or choice != 0 else tensor.transpose(0, 1)
        if self.sequence_first and tensor.shape[0] == tensor.shape[1] and not isinstance(module, _CHANNELS_FIRST):
            raise InvalidInputError(
                f"{name}: expected to tell samples from positions, but found a sequence of shape {tuple(tensor.shape)} "
                "in a network with batch_first=False modules; use batches of another size, or pass "
                f"outputs={{{name!r}: lambda output: ...}} that puts samples first"
            )
        return tensor

    def _pooled(self, module: nn.Module, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.ndim <= 2:
            return tensor[:, None] if tensor.ndim == 1 else tensor
        if self.pooling == "flatten":
            return tensor.flatten(1)
        sequence = tensor.ndim == 3 and not isinstance(module, _CHANNELS_FIRST)
        if sequence and self.pooling != "mean":
            return tensor[:, 0 if self.pooling == "first" else -1]
        channels_last = sequence or isinstance(module, _CHANNELS_LAST)
        return tensor.mean(dim=tuple(range(1, tensor.ndim - 1) if channels_last else range(2, tensor.ndim)))


def _part(name: str, output: Any, choice: Any) -> Any:
    try:
        return output[choice]
    except (KeyError, IndexError, TypeError) as error:
        parts = list(output) if isinstance(output, Mapping) else f"{type(output).__name__}"
        length = f" of length {len(output)}" if isinstance(output, tuple | list) else ""
        raise InvalidInputError(
            f"{name}: expected {choice!r} in the output, but found {parts}{length}; correct outputs[{name!r}]"
        ) from error


def _first_tensor(output: Any) -> Any:
    """Depth first through tuples, lists and mappings; the output itself if there is none."""
    if isinstance(output, torch.Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    for part in parts:
        if isinstance(found := _first_tensor(part), torch.Tensor):
            return found
    return output
