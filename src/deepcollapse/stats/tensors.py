"""Arrays and spread-out tensors as plain tensors."""

from typing import Any

import numpy as np
import torch

__all__ = ["as_tensor", "whole"]


def as_tensor(array: Any) -> torch.Tensor:
    """The array as a tensor, a copy only where PyTorch cannot share its memory.

    It cannot where the array is read-only, has negative strides or gaps, or another byte order than the machine.
    Tensors are returned as they are.

    Raises:
        TypeError: a dtype that PyTorch does not have, such as one of strings.

    >>> as_tensor(np.arange(3, dtype=">i8")[::-1])
    tensor([2, 1, 0])
    """
    if isinstance(array, np.ndarray):
        shared = array.flags.writeable and array.flags.c_contiguous and array.dtype.isnative
        array = array if shared else np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
    return torch.as_tensor(array)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or all of a ``DTensor``, which every process of its mesh must ask for.

    >>> whole(torch.ones(2))
    tensor([1., 1.])
    """
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()
