"""Class moments of samples that arrive in batches."""

import sys
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats.moments import ClassMoments
from deepcollapse.stats.samples import expect_classes, expect_labels_in_range, expect_numbers, expect_shapes
from deepcollapse.stats.sums import AnchoredSums, LabelledSums

__all__ = ["MomentStream"]

_ROWS = 1024  # samples that wait for each other, so that the d x d product of a small batch is not all overhead


class _Batch(NamedTuple):
    """Samples as they are summed; ``eps`` is the rounding unit of the dtype they came in."""

    rows: Any
    labels: Any
    eps: float

    @property
    def kind(self) -> tuple[object, ...]:
        """Batches of one kind can be joined."""
        return type(self.rows), getattr(self.rows, "device", None), self.rows.dtype, self.eps


@dataclass(slots=True)
class MomentStream:
    """Takes labelled features batch by batch, of NumPy or of torch on any device, and gives their class moments.

    Batches wait until there are about a thousand samples, as copies in their own precision; then they are widened to
    float64 and summed where they are, without a gradient. Devices that know no float64 hand theirs to the CPU. Memory
    O(K d + d^2) per device, and O(K d) without the scatter matrix.

    Attributes:
        classes: K >= 2; a class may stay empty.
        scatter: False for traces only.

    Raises:
        InvalidInputError: fewer than two classes.

    >>> stream = MomentStream(2)
    >>> stream.add(np.array([[0.0], [7.0]]), np.array([0, 1]))
    >>> stream.add(np.array([[2.0]], dtype=np.float32), np.array([0]))
    >>> stream.moments().means.ravel()
    array([1., 7.])
    """

    classes: int
    scatter: bool = True
    _sums: dict[str, LabelledSums] = field(init=False, default_factory=dict, repr=False)
    _waiting: list[_Batch] = field(init=False, default_factory=list, repr=False)
    _width: int | None = field(init=False, default=None, repr=False)
    _summed: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        expect_classes(self.classes)

    def add(self, features: object, labels: object) -> None:
        """Take a batch, an empty one too. What is wrong with its numbers shows when it is summed, then or later.

        Args:
            features: one row per sample, N x d, a NumPy array or a tensor of any floating-point dtype.
            labels: whole numbers 0 .. classes - 1; they may be on another device than the features.

        Raises:
            InvalidInputError: neither arrays nor tensors, another shape, width or dtype; labels out of range, or
                features that are not finite, where rows are counted from the first sample of the stream. Numbers that
                cannot be summed stay an error of this stream.
        """
        batch = _batch(features, labels)
        if self._width not in (None, batch.rows.shape[1]):
            raise InvalidInputError(
                f"features: expected width {self._width} as before, but found {batch.rows.shape[1]}; use one stream "
                "per layer"
            )
        self._width = batch.rows.shape[1]
        if self._waiting and self._waiting[0].kind != batch.kind:
            self._sum()
        if not len(batch.labels):
            return
        alone = not self._waiting and len(batch.labels) >= _ROWS
        self._waiting.append(batch if alone else _copy(batch))
        if sum(len(waiting.labels) for waiting in self._waiting) >= _ROWS:
            self._sum()

    def moments(self) -> ClassMoments:
        """Moments of all samples so far; more may follow. O(K d^2) operations.

        Raises:
            InvalidInputError: no samples, labels out of range, features that are not finite or whose squares overflow.
        """
        self._sum()
        if not self._sums:
            raise InvalidInputError("features: expected at least one sample, but found none; add batches first")
        return reduce(ClassMoments.merge, (sums.moments() for sums in self._sums.values()))

    def _sum(self) -> None:
        """Sum what waits; it is let go only afterwards, so that numbers which raise do so every time."""
        if not self._waiting:
            return
        rows, labels = _joined([b.rows for b in self._waiting]), _joined([b.labels for b in self._waiting])
        expect_labels_in_range(int(labels.min()), int(labels.max()), classes=self.classes)
        place = str(getattr(rows, "device", "cpu"))
        if place not in self._sums:
            self._sums[place] = self._started(rows)
        self._sums[place].add(rows, labels, eps=self._waiting[0].eps, start=self._summed)
        self._summed += len(labels)
        self._waiting.clear()

    def _started(self, rows: Any) -> LabelledSums:
        if isinstance(rows, np.ndarray):
            return AnchoredSums(self.classes, rows.shape[1], scatter=self.scatter)
        from deepcollapse.stats.torch_sums import TorchSums

        return TorchSums(self.classes, rows.shape[1], device=rows.device, scatter=self.scatter)


def _batch(features: Any, labels: Any) -> _Batch:
    """Checked but for the numbers themselves; NumPy's arrays where the CPU sums, else tensors on one device."""
    for name, given in (("features", features), ("labels", labels)):
        if not isinstance(given, np.ndarray) and not _is_tensor(given):
            raise InvalidInputError(
                f"{name}: expected a NumPy array or a tensor, but found {type(given).__name__}; convert with np.asarray"
            )
    expect_shapes(features, labels)
    if _is_tensor(features) or _is_tensor(labels):
        from deepcollapse.stats.torch_sums import side_by_side

        return _Batch(*side_by_side(features, labels))
    expect_numbers(features, labels)
    return _Batch(features, labels, float(np.finfo(features.dtype).eps))


def _is_tensor(given: object) -> bool:
    """Whether it is a tensor; torch is not loaded to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.Tensor)


def _copy(batch: _Batch) -> _Batch:
    """Of its own, for the caller may change features in place before they are summed."""
    rows, labels = (part.copy() if isinstance(part, np.ndarray) else part.clone() for part in batch[:2])
    return batch._replace(rows=rows, labels=labels)


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import torch

    return torch.cat(parts)
