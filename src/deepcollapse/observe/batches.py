"""What a loader yields, taken apart into inputs and labels, and what a model returns, into logits."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe.labels import IGNORED, class_labels
from deepcollapse.observe.mask import Mask, real_positions
from deepcollapse.stats.tensors import as_tensor, whole

__all__ = ["Batches", "checked_logits", "expect_finite", "expect_range", "moved"]

_LABEL_KEYS = ("labels", "label")


@dataclass(frozen=True, slots=True)
class Batches:
    """How to run a model on a batch.

    Attributes:
        forward: from the model and a batch to what the model returns; None to call it with the batch's inputs.
        labels: from a batch to its labels; None for the second entry of a tuple, or the key "labels" or "label".
        mask: where a batch says which positions are real.
        tokens: whether each token with a label is a sample.
    """

    forward: Callable[[nn.Module, Any], Any] | None
    labels: Callable[[Any], Any] | None
    mask: Mask = None
    tokens: bool = False

    def labels_of(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The label of each sample as int64, and which positions (N, T) of the batch are real; None for all.

        Of tokens the real ones that have a class are the samples.

        Raises:
            InvalidInputError: no labels where they are looked for, labels of another shape or kind, a wrong mask.
        """
        given = self.labels(batch) if self.labels else _split(batch)[1]
        labels = class_labels(given, tokens=self.tokens)
        real = real_positions(self.mask, batch, samples=len(labels))
        if not self.tokens:
            return labels, real
        if real is not None and real.shape != labels.shape:
            raise InvalidInputError(
                f"mask: expected the shape {tuple(labels.shape)} of the labels of tokens, but found "
                f"{tuple(real.shape)}; pass mask=lambda batch: ... that gives it, or mask=lambda batch: None"
            )
        kept = labels != IGNORED
        kept = kept if real is None else kept & real.to(labels.device)
        return labels[kept], kept

    def run(self, model: nn.Module, batch: Any) -> Any:
        """What the model returns for the batch.

        Raises:
            InvalidInputError: a mapping whose keys are not the model's arguments.
        """
        if self.forward:
            return self.forward(model, batch)
        inputs = _split(batch, inputs_only=self.labels is not None)[0]
        if isinstance(inputs, Mapping):
            _expect_arguments(model, inputs)
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def moved(batch: Any, device: torch.device | None) -> Any:
    """The batch with arrays of numbers as tensors and tensors on the device; containers become plain ones."""
    if isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc":
        batch = as_tensor(batch)
    if isinstance(batch, torch.Tensor):
        return batch if device is None or batch.is_meta else batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if device is not None and callable(to := getattr(batch, "to", None)):  # packed sequences, batches of graphs
        return to(device)
    if isinstance(batch, tuple | list):
        parts = [moved(value, device) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def expect_range(labels: torch.Tensor, classes: int) -> None:
    """Refuse labels below zero or beyond the classes.

    Raises:
        InvalidInputError: fewer than two classes, or a label that is none of them.
    """
    if classes < 2:
        raise InvalidInputError(
            f"classes: expected at least 2, but found {classes}; for one logit per sample pass classes=2 and "
            "forward=lambda model, batch: ... that returns both logits, or None"
        )
    low, high = (int(bound) for bound in labels.aminmax())
    if low < 0 or high >= classes:
        raise InvalidInputError(
            f"labels: expected 0 to {classes - 1}, but found {low} to {high}; relabel, or raise the number of classes"
        )


def expect_finite(name: str, features: torch.Tensor) -> None:
    """Refuse infinities and NaN, in the batch in which they come up.

    Raises:
        InvalidInputError: some entry is not finite.
    """
    if not math.isfinite(features.sum()) and not features.isfinite().all():  # a sum is faster, but may overflow
        bad = (~features.isfinite()).nonzero()
        raise InvalidInputError(
            f"{name}: expected finite entries, but found {len(bad)} that are not, the first in row {int(bad[0, 0])} of "
            "a batch; look whether the network diverged, its inputs are finite, and float16 is wide enough"
        )


def checked_logits(
    output: Any, *, classes: int | None, samples: int, tokens: torch.Tensor | None = None
) -> tuple[torch.Tensor | None, int]:
    """The N x K logits in what a model returned, and K.

    They are the tensor itself, ``.logits``, what has the key "logits", or the first entry of a tuple.

    Args:
        output: what the model or ``forward`` returned; None says that there are no logits.
        classes: K; None for as many as there are logits.
        samples: number of labels.
        tokens: of logits (N, T, K), which tokens are the samples; None where samples have logits (N, K).

    Raises:
        InvalidInputError: no such tensor, or another shape.
    """
    if output is None:
        if classes is None:
            raise InvalidInputError(
                "classes: expected a number, because forward gave no logits to count, but found None; pass classes=K"
            )
        return None, classes
    logits = _logits(output)
    logits = whole(logits) if isinstance(logits, torch.Tensor) else logits
    if tokens is not None:
        logits = _token_logits(logits, tokens)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[1] != (classes or logits.shape[1]):
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InvalidInputError(
            f"logits: expected a tensor (N, {classes or 'K'}) from the model, but found {found}; pass "
            "forward=lambda model, batch: ... that returns it, or None after the call if the model has no logits"
        )
    if len(logits) != samples:
        raise InvalidInputError(
            f"labels: expected one per sample, but found {samples} labels and {len(logits)} rows of logits; "
            "pass both in the same order"
        )
    return logits, logits.shape[1]


def _token_logits(logits: Any, tokens: torch.Tensor) -> torch.Tensor:
    if not isinstance(logits, torch.Tensor) or logits.ndim != 3 or logits.shape[:2] != tokens.shape:
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InvalidInputError(
            f"logits: expected {(*tokens.shape, 'K')} of tokens from the model, but found {found}; choose another "
            'pooling than "tokens" for logits of samples, or pass forward=lambda model, batch: ... that returns those'
        )
    return logits[tokens.to(logits.device)]


def _expect_arguments(model: nn.Module, inputs: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(model.forward)
    except ValueError:  # traced modules do not tell
        return
    try:
        signature.bind(**inputs)
    except TypeError as error:
        raise InvalidInputError(
            f"batch: expected entries named as the arguments of {type(model).__name__}.forward{signature}, but found "
            f"{list(inputs)}; pass forward=lambda model, batch: ... that calls the model with what it takes"
        ) from error


def _logits(output: Any) -> Any:
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    if isinstance(output, tuple | list) and output:
        return getattr(output, "logits", output[0])
    return getattr(output, "logits", output)


def _split(batch: Any, *, inputs_only: bool = False) -> tuple[Any, Any]:
    """Inputs and labels; with ``inputs_only`` labels may be missing."""
    if isinstance(batch, Mapping):
        key = next((key for key in _LABEL_KEYS if key in batch), None)
        if key is not None or inputs_only:
            return {name: value for name, value in batch.items() if name != key}, batch.get(key)
        found = f"a mapping with keys {list(batch)}"
    elif isinstance(batch, tuple | list):
        if len(batch) >= 2:
            return batch[0], batch[1]
        if batch and inputs_only:
            return batch[0], None
        found = f"{type(batch).__name__} of length {len(batch)}"
    elif inputs_only:
        return batch, None
    else:
        found = type(batch).__name__
    raise InvalidInputError(
        f'loader: expected batches (inputs, labels) or a mapping with key "labels" or "label", but found {found}; '
        "pass labels=lambda batch: ... and, where needed, forward=lambda model, batch: ..."
    )
