"""The sums of ``AnchoredSums`` on the device that the features are on."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.moments import ClassMoments
from deepcollapse.stats.samples import expect_numbers, expect_squares, not_finite
from deepcollapse.stats.tensors import as_tensor, whole

__all__ = ["TorchSums", "has_float64", "side_by_side"]


_CPU = torch.device("cpu")
_NUMPY = (torch.float16, torch.float32, torch.float64)


def side_by_side(features: Any, labels: Any) -> tuple[Any, Any, float]:
    """Features and labels where they are summed, and the rounding unit of the features' dtype.

    NumPy's arrays where that is the CPU, else tensors on the features' device, labels in int64. What NumPy does not
    know (bfloat16) becomes float32, which holds the same numbers.

    Raises:
        InvalidInputError: features that are not floating-point numbers, labels that are not whole.
    """
    features, labels = whole(as_tensor(features)).detach(), as_tensor(labels)
    expect_numbers(_array(features[:0].cpu()), _array(labels[:0].cpu()))
    eps = torch.finfo(features.dtype).eps
    if features.device == _CPU or not has_float64(features.device):
        return _array(features.cpu()), _array(labels.cpu()), eps
    return features, labels.to(features.device, torch.int64), eps


def _array(tensor: torch.Tensor) -> np.ndarray:
    known = tensor.dtype in _NUMPY or not tensor.is_floating_point()
    return (tensor if known else tensor.float()).numpy()


@cache
def has_float64(device: torch.device) -> bool:
    """Whether the device computes in double precision; Apple's graphics processors do not."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


@dataclass(slots=True)
class TorchSums:
    """``AnchoredSums`` with torch: the same anchors, sums and bounds, in float64 on the device.

    Attributes:
        classes: K.
        width: d.
        device: where the samples are.
        scatter: False to leave out the d x d sum.
    """

    classes: int
    width: int
    device: torch.device
    scatter: bool = True
    _counts: torch.Tensor = field(init=False)
    _anchors: torch.Tensor = field(init=False)
    _sums: torch.Tensor = field(init=False)
    _squares: torch.Tensor = field(init=False)
    _products: torch.Tensor | None = field(init=False)
    _largest: float = field(init=False, default=0.0)
    _resolution: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._counts = torch.zeros(self.classes, dtype=torch.int64, device=self.device)
        self._anchors, self._sums = self._zeros(2, self.classes, self.width)
        self._squares = self._zeros(self.classes)
        self._products = self._zeros(self.width, self.width) if self.scatter else None

    @torch.no_grad()
    def add(self, rows: torch.Tensor, labels: torch.Tensor, *, eps: float, start: int = 0) -> None:
        """Take samples; a block is widened on the device."""
        if not len(rows):
            return
        wide = rows.double()
        largest = float(wide.abs().max())
        if not largest < float("inf"):
            raise _first_not_finite(rows, start)
        self._largest, self._resolution = max(self._largest, largest), max(self._resolution, largest * eps)
        self._anchor(wide, labels)
        rest = wide - self._anchors[labels]
        self._sums.index_add_(0, labels, rest)
        self._squares.index_add_(0, labels, rest.square().sum(dim=1))
        self._counts += torch.bincount(labels, minlength=self.classes)
        if self._products is not None:
            self._products.addmm_(rest.T, rest)

    @torch.no_grad()
    def moments(self) -> ClassMoments:
        """Moments of all samples so far, on the CPU."""
        shifts = self._sums / self._counts.clamp(min=1)[:, None]
        spreads = (self._squares - self._counts * shifts.square().sum(dim=1)).clamp(min=0.0)
        expect_squares(self._largest, spreads.cpu().numpy())
        scatter = None
        if self._products is not None:
            between = (shifts * self._counts[:, None]).T @ shifts
            scatter = (self._products - between).cpu().numpy()
            scatter = (scatter + scatter.T) / 2
        counts, means = self._counts.cpu().numpy().copy(), (self._anchors + shifts).cpu().numpy()
        return ClassMoments(counts, means, scatter, self._resolution, spreads.cpu().numpy())

    def _zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=torch.float64, device=self.device)

    def _anchor(self, wide: torch.Tensor, labels: torch.Tensor) -> None:
        """The first sample of each class that is new in this block."""
        order = torch.full((self.classes,), len(labels), device=self.device)
        order.scatter_reduce_(0, labels, torch.arange(len(labels), device=self.device), reduce="amin")
        new = torch.nonzero((self._counts == 0) & (order < len(labels)))[:, 0]
        self._anchors[new] = wide[order[new]]


def _first_not_finite(rows: torch.Tensor, start: int) -> InvalidInputError:
    bad = torch.nonzero(~rows.isfinite())
    row, column = bad[0].tolist()
    value = float(rows[row, column])
    return not_finite(value, where=(start + row, column), count=len(bad), half=rows.dtype == torch.float16)
