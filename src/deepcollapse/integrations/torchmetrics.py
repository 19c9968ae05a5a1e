"""The collapse metrics as a torchmetrics metric; extra ``torchmetrics``."""

from functools import partial, reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from deepcollapse.metrics.collapse_metrics import collapse_metrics
from deepcollapse.optional import optional_class
from deepcollapse.stats import Centre, ClassMoments
from deepcollapse.stats.stream import MomentStream

__all__ = ["CollapseMetric"]

_Metric: Any = optional_class("Metric", "torchmetrics", extra="torchmetrics")


class CollapseMetric(_Metric):
    """Every collapse metric of labelled features, over batches and processes.

    The state is one float64 vector, the class moments, whatever the precision of the features and of the network; it is
    merged, not averaged, so that the result does not depend on how samples are spread over batches and processes.
    O(K d + d^2) numbers in the state, O((n + K) d^2) operations for a batch of n samples. The metrics of a classifier
    (NC3, NC4) need the network: ``deepcollapse.observe.measure``.

    A batch has no value of its own, since few batches have samples of all classes: calling the metric updates it and
    returns nothing; ask ``compute()`` at the end of an epoch. A device without float64 (MPS) cannot hold the state;
    leave the metric on the CPU there, ``update`` takes features from any device.

    Args:
        classes: K.
        width: d, entries of a feature.
        scatter: also the d x d scatter, which ``nc1/papyan`` needs; without it, O(K d) numbers.
        centre: of the class means, "class" or "sample".
        drop_empty: leave out classes without samples instead of raising.
        **options: of ``torchmetrics.Metric``.

    Raises:
        MissingExtraError: torchmetrics is not installed.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    centre: Centre

    def __init__(
        self,
        *,
        classes: int,
        width: int,
        scatter: bool = True,
        centre: Centre = "class",
        drop_empty: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.classes, self.width, self.scatter = classes, width, scatter
        self.centre, self.drop_empty = centre, drop_empty
        empty = ClassMoments(
            counts=np.zeros(classes, dtype=np.int64),
            means=np.zeros((classes, width)),
            scatter=np.zeros((width, width)) if scatter else None,
            resolution=0.0,
            spreads=np.zeros(classes),
        )
        merge = partial(_merged, classes=classes, width=width)
        self.add_state("packed", default=torch.from_numpy(_packed(empty)), dist_reduce_fx=merge)

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
        """Update; the empty dictionary, since a batch has no value of its own."""
        self.update(features, labels)
        return {}

    def update(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch.

        Args:
            features: n x d, one row per sample, of any floating dtype, on any device.
            labels: whole numbers 0 .. K - 1, one per sample.

        Raises:
            InvalidInputError: features of another shape; labels out of range or not whole; entries that are not finite.
                The state is then as before.
        """
        stream = MomentStream(self.classes, scatter=self.scatter)
        stream.add(features.detach(), labels)
        found = _packed(self.moments().merge(stream.moments()))
        self.packed = torch.from_numpy(found).to(self.packed.device)

    def compute(self) -> dict[str, torch.Tensor]:
        """Float64 scalars by the names of ``CollapseMetrics.scalars``, such as "nc1/papyan"; without value, no entry.

        Raises:
            InvalidInputError: a class without samples, unless they are dropped.
            UndefinedError: all class means are equal.
        """
        moments = self.moments().present() if self.drop_empty else self.moments()
        found = collapse_metrics(moments, centre=self.centre).scalars()
        return {
            name: torch.tensor(value, dtype=torch.float64, device=self.packed.device) for name, value in found.items()
        }

    def moments(self) -> ClassMoments:
        """The class moments of all batches so far, of all processes where the state is synchronised."""
        return _unpacked(self.packed.detach().cpu().numpy(), classes=self.classes, width=self.width)

    def _apply(self, fn: Any, exclude_state: Any = "") -> Any:
        """Moves to other devices as modules do, but stays float64 where the network around it is made smaller."""
        exact = self.packed
        moved = super()._apply(fn, exclude_state)
        self.packed = exact.to(self.packed.device)
        self._defaults["packed"] = self._defaults["packed"].to(torch.float64)
        return moved


def _merged(states: Float64[torch.Tensor, "states numbers"], *, classes: int, width: int) -> torch.Tensor:
    """One state from those of several processes, or of several parts of the data."""
    parts = (_unpacked(state, classes=classes, width=width) for state in states.detach().cpu().numpy())
    return torch.from_numpy(_packed(reduce(ClassMoments.merge, parts))).to(states.device)


def _packed(moments: ClassMoments) -> Float64[np.ndarray, " numbers"]:
    """Resolution, counts (exact up to 2^53), spreads, means, scatter."""
    parts = [[moments.resolution], moments.counts, moments.spreads, moments.means]
    arrays = [*parts, np.zeros(0) if moments.scatter is None else moments.scatter]
    return np.concatenate([np.ravel(array).astype(np.float64) for array in arrays])


def _unpacked(packed: Float64[np.ndarray, " numbers"], *, classes: int, width: int) -> ClassMoments:
    ends = np.cumsum([1, classes, classes, classes * width])
    resolution, counts, spreads, means, scatter = np.split(packed, ends)
    return ClassMoments(
        counts=counts.astype(np.int64),
        means=means.reshape(classes, width),
        scatter=scatter.reshape(width, width) if scatter.size else None,
        resolution=resolution.item(),
        spreads=spreads,
    )
