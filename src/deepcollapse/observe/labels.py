"""The one way in for labels: whatever a loader gives becomes class numbers, or an error that says how to pass them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.tensors import as_tensor, whole

__all__ = ["IGNORED", "class_labels"]

IGNORED = -100
"""Label of a token that has no class, as in PyTorch's losses."""

_OWN = "pass labels=lambda batch: ... that gives one class number per sample"
_NAMES = "number the names: with names = [...] of all classes pass labels=lambda batch: [names.index(x) for x in ...]"


def class_labels(given: Any, *, tokens: bool = False) -> torch.Tensor:
    """One whole number per sample, or per token, as int64.

    Args:
        given: of the loader, or of ``labels=``; anything.
        tokens: whether a number per token is wanted, shape (N, T), in place of one per sample, shape (N,).

    Raises:
        InvalidInputError: anything else than whole numbers within int64 of that shape.

    >>> class_labels(np.array([2, 0], dtype=">u2")), class_labels([0, 1])
    (tensor([2, 0]), tensor([0, 1]))
    """
    labels = _dense(given) if isinstance(given, torch.Tensor) else as_tensor(_numbers(given))
    if labels.ndim != 1 + tokens or not labels.numel():
        raise InvalidInputError(
            f"labels: expected {'a number per token, shape (N, T)' if tokens else 'one number per sample, shape (N,)'} "
            f"with N >= 1, but found {tuple(labels.shape)}; {_shape_remedy(labels, tokens=tokens)}"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise InvalidInputError(
            f"labels: expected whole numbers, but found {labels.dtype}; if they are class numbers pass "
            "labels=lambda batch: ... that casts them to int64, as in torch.as_tensor(batch[1]).long()"
        )
    return _within_int64(labels)


def _dense(given: torch.Tensor) -> torch.Tensor:
    """A plain tensor with its numbers in memory."""
    try:
        found = whole(given).detach()
        found = found.to_dense() if found.layout != torch.strided else found
        plain = not (found.is_nested or found.is_quantized or found.is_meta)
    except RuntimeError:  # layouts that know neither shape nor conversion
        found, plain = given, False
    if not plain:
        raise _refusal(f"a tensor of {given.dtype} without plain numbers", _OWN)
    return found


def _numbers(given: Any) -> np.ndarray:
    """As NumPy reads it."""
    if isinstance(given, Mapping):
        key = next(iter(given), "name")
        raise _refusal(f"a mapping with keys {list(given)[:10]}", f"pass labels=lambda batch: ...[{key!r}]")
    if isinstance(given, list | tuple) and len(given) and all(isinstance(x, torch.Tensor) and x.ndim for x in given):
        raise _refusal(f"{len(given)} tensors", "pass labels=lambda batch: batch[1][0], or whichever holds the classes")
    if np.ma.is_masked(given):
        raise _refusal("some that are masked", "leave out these samples, inputs and labels")
    try:
        array = np.asarray(given)
    except Exception as error:  # objects of one's own decide what they raise
        raise _refusal(f"{type(given).__name__} that NumPy cannot read ({error})", _OWN) from error
    if array.dtype.kind not in "iufcb" or array.dtype.itemsize > 16:
        named = array.ndim == 1 and array.size and isinstance(array[0], str | bytes)
        kind = array.dtype if array.dtype.kind != "O" else f"{type(given).__name__} of no number type"
        raise _refusal(f"{kind}, shape {array.shape}", _NAMES if named else _OWN)
    return array.astype(np.float64) if array.dtype == np.longdouble else array


def _refusal(found: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"labels: expected one class number per sample, but found {found}; {remedy}")


def _shape_remedy(labels: torch.Tensor, *, tokens: bool) -> str:
    if labels.ndim == 0:
        return "the loader gives single samples, put a torch.utils.data.DataLoader around them"
    if tokens or labels.ndim != 2 or not labels.numel():
        return _OWN
    if labels.shape[1] == 1:
        return "pass labels=lambda batch: ... that gives one class each, by squeeze(1)"
    if bool(((labels == 0) | (labels == 1)).all()) and bool((labels.sum(dim=1) == 1).all()):
        return "pass labels=lambda batch: ... that gives one class each, by argmax(dim=1) of these one-hot rows"
    if labels.is_floating_point() or labels.dtype == torch.bool:
        return f"{_OWN}; a sample of several classes has no class mean"
    return (
        f'for class numbers of tokens pass pooling="tokens", which makes a sample of each token whose label is not '
        f"{IGNORED}; else {_OWN}"
    )


def _within_int64(labels: torch.Tensor) -> torch.Tensor:
    found = labels.to(torch.int64)
    if labels.dtype == torch.uint64 and bool((found < 0).any()):
        raise InvalidInputError(
            "labels: expected class numbers, but found some beyond int64; number the classes from 0"
        )
    return found
