"""Which positions of padded sequences are real, by a mask that comes with each batch."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.tensors import as_tensor

__all__ = ["DEFAULT_KEY", "Mask", "real_positions"]

Mask = str | Callable[[Any], Any] | None
"""A key of the batch, a function from the batch to (N, T) booleans or None, or None for ``DEFAULT_KEY``."""

DEFAULT_KEY = "attention_mask"


def real_positions(mask: Mask, batch: Any, *, samples: int) -> torch.Tensor | None:
    """N x T booleans, true where a position is real; None where every position is, or where there is no mask.

    Args:
        mask: where it is; by default the entry "attention_mask" of the batch or of its inputs, if its shape is (N, T).
        batch: with N samples.
        samples: N.

    Raises:
        InvalidInputError: no such key, another shape, numbers below 0, or a sample without a real position.

    >>> real_positions(None, {"attention_mask": torch.tensor([[1, 1], [0, 1]])}, samples=2)
    tensor([[ True,  True],
            [False,  True]])
    """
    found = mask(batch) if callable(mask) else _entries(batch).get(DEFAULT_KEY if mask is None else mask)
    if found is None and isinstance(mask, str):
        raise InvalidInputError(
            f"mask: expected a key of the batch, but found {mask!r} and the keys {list(_entries(batch))}; name one of "
            "these, or pass mask=lambda batch: ... that gives (N, T) booleans"
        )
    numbers = _numbers(found)
    if numbers is None or numbers.shape[:-1] != (samples,):
        if mask is None or found is None:
            return None
        shape = type(found).__name__ if numbers is None else f"shape {tuple(numbers.shape)}"
        raise InvalidInputError(
            f"mask: expected (N, T) booleans with a row for each of {samples} samples, but found {shape}; pass "
            "mask=lambda batch: ... that gives them, true where a position is real"
        )
    return _checked(numbers)


def _entries(batch: Any) -> Mapping[str, Any]:
    """Of the batch, or of its inputs; empty if neither has names."""
    inputs = batch[0] if isinstance(batch, tuple | list) and batch else batch
    return inputs if isinstance(inputs, Mapping) else {}


def _numbers(found: Any) -> torch.Tensor | None:
    if isinstance(found, list | tuple):
        found = np.array(found) if len({np.shape(row) for row in found}) == 1 else None
    known = isinstance(found, torch.Tensor) or (isinstance(found, np.ndarray) and found.dtype.kind in "biuf")
    return as_tensor(found).detach() if known else None


def _checked(numbers: torch.Tensor) -> torch.Tensor | None:
    if numbers.is_complex() or (numbers.dtype != torch.bool and not bool((numbers >= 0).all())):
        raise InvalidInputError(
            "mask: expected true or 1 where a position is real and 0 where it is not, but found numbers below 0; of a "
            'mask that is added to scores pass mask=lambda batch: batch["attention_mask"] == 0'
        )
    real = numbers if numbers.dtype == torch.bool else numbers > 0
    if bool(real.all()) and real.shape[1]:
        return None
    if bool((empty := ~real.any(dim=1)).any()):
        raise InvalidInputError(
            f"mask: expected a real position in every sample, but found none in {int(empty.sum())} of {len(real)}, the "
            f"first in row {int(empty.int().argmax())} of a batch; leave out these samples, or pass "
            "mask=lambda batch: ... that is true where a position is real"
        )
    return real
