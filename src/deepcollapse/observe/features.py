"""From what a module returns to features, one row per sample."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.tensors import whole

__all__ = ["POOLINGS", "FeatureReader", "end_position", "real_mean"]

POOLINGS = ("mean", "flatten", "first", "last", "tokens")
_CHANNELS_FIRST = (_ConvNd, _BatchNorm, _AvgPoolNd, _MaxPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)


@dataclass(frozen=True, slots=True)
class FeatureReader:
    """How features are read off an output.

    Attributes:
        pooling: over the positions of images and sequences: "mean", "flatten", or "first" or "last" token of sequences;
            or "tokens", where each token is a sample.
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

    def __call__(self, name: str, module: nn.Module, output: Any, *, real: torch.Tensor | None = None) -> torch.Tensor:
        """Features N x d of one call, which nothing that runs later can change.

        Args:
            name: of the layer, for errors.
            module: whose output it is.
            output: what it returned.
            real: N x T booleans, which positions count; None for all.

        Raises:
            InvalidInputError: no tensor of floating-point numbers in the output, one whose samples or real positions
                are not certain, or a part of one that is spread over processes.
        """
        tensor = self._tensor(name, output)
        if not tensor.is_floating_point() or tensor.ndim == 0:
            raise InvalidInputError(
                f"{name}: expected floating-point features with samples first, but found {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}; choose another layer, or pass outputs={{{name!r}: lambda output: ...}}"
            )
        tensor = whole(tensor.detach())
        if name not in self.outputs:
            _expect_all_features(name, module, tensor)
        tensor = self._samples_first(name, module, tensor)
        if real is None or len(tensor) != len(real):  # whoever takes the features sees that they are not of the samples
            features = self._pooled(name, module, tensor)
        else:
            features = self._pooled_real(name, module, tensor, real=real.to(tensor.device))
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

    def _pooled(self, name: str, module: nn.Module, tensor: torch.Tensor) -> torch.Tensor:
        if self.pooling == "tokens":
            raise InvalidInputError(
                f"{name}: expected features (N, T, d) of tokens, but found shape {tuple(tensor.shape)}; leave it out, "
                f"or pass outputs={{{name!r}: lambda output: ...}} that gives (N, T, d)"
            )
        if tensor.ndim <= 2:
            return tensor[:, None] if tensor.ndim == 1 else tensor
        if self.pooling == "flatten":
            return tensor.flatten(1)
        if self._is_sequence(module, tensor) and self.pooling != "mean":
            return tensor[:, 0 if self.pooling == "first" else -1]
        axes = range(1, tensor.ndim - 1) if _channels_last(module, tensor) else range(2, tensor.ndim)
        return tensor.mean(dim=tuple(axes))

    def _pooled_real(self, name: str, module: nn.Module, tensor: torch.Tensor, *, real: torch.Tensor) -> torch.Tensor:
        """The same over real positions only, of which there is one at least in each sample, or "tokens"."""
        if tensor.ndim <= 2:
            return self._pooled(name, module, tensor)
        if self.pooling == "flatten":
            raise InvalidInputError(
                f'{name}: expected another pooling than "flatten" for padded sequences, but found padding in shape '
                f'{tuple(tensor.shape)}; pass pooling="mean", "first" or "last"'
            )
        rows = tensor if _channels_last(module, tensor) else tensor.movedim(1, -1)
        axes = [axis for axis, size in enumerate(rows.shape[1:-1], start=1) if size == real.shape[1]]
        if len(axes) != 1 or (self.pooling == "tokens" and rows.ndim != 3):
            raise InvalidInputError(
                f"{name}: expected one axis of the {real.shape[1]} positions of the mask, but found shape "
                f"{tuple(tensor.shape)}; pass outputs={{{name!r}: lambda output: ...}} that gives a row per sample, "
                "or mask=lambda batch: None to count every position"
            )
        rows = rows.movedim(axes[0], 1)
        if self.pooling == "tokens":
            return rows[real]
        if self.pooling == "mean" or not self._is_sequence(module, tensor):
            return real_mean(rows, real)
        return rows[torch.arange(len(rows), device=rows.device), end_position(real, last=self.pooling == "last")]

    def _is_sequence(self, module: nn.Module, tensor: torch.Tensor) -> bool:
        return tensor.ndim == 3 and not isinstance(module, _CHANNELS_FIRST)


def end_position(real: torch.Tensor, *, last: bool) -> torch.Tensor:
    """Index of the first or last real position of each sample.

    >>> end_position(torch.tensor([[False, True, True, False]]), last=True)
    tensor([2])
    """
    return real.shape[1] - 1 - real.flip(1).int().argmax(dim=1) if last else real.int().argmax(dim=1)


def real_mean(rows: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean of N x T x ... x d over the real ones among T positions and over all positions in between.

    Half precision is summed in float32. What is not real does not enter, NaN included.
    """
    places = real.reshape(*real.shape, *[1] * (rows.ndim - 2))
    axes = tuple(range(1, rows.ndim - 1))
    wide = torch.float32 if rows.dtype.itemsize < 4 else rows.dtype
    sums = rows.masked_fill(~places, 0).sum(dim=axes, dtype=wide)
    count = real.sum(dim=1, keepdim=True) * math.prod(rows.shape[2:-1])
    return (sums / count).to(rows.dtype)


def _channels_last(module: nn.Module, tensor: torch.Tensor) -> bool:
    if tensor.ndim == 3:
        return not isinstance(module, _CHANNELS_FIRST)
    return isinstance(module, _CHANNELS_LAST)


def _expect_all_features(name: str, module: nn.Module, tensor: torch.Tensor) -> None:
    """Refuse the part that this process has of the output of a layer whose weight is spread over processes."""
    width = getattr(module, "out_features", None)
    if width in (None, tensor.shape[-1]) or not any(
        hasattr(p, "full_tensor") for p in module.parameters(recurse=False)
    ):
        return
    raise InvalidInputError(
        f"{name}: expected all {width} features, but found {tensor.shape[-1]}, this process's part of a layer that is "
        f"spread over processes; pass outputs={{{name!r}: lambda output: ...}} that gathers them"
    )


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
