"""Looks at a network during its training, in a loop of one's own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any

from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.metrics import CollapseMetrics
from deepcollapse.observe.measurement import Measurement
from deepcollapse.observe.network import measure

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Look", "LookedLayer", "MeasurementSeries", "Recorder"]


@dataclass(frozen=True, slots=True)
class LookedLayer:
    """What stays of a layer's measurement: metrics and singular values, O(K) numbers, not its class means and scatter.

    Attributes:
        name: of the layer.
        metrics: of its features; None where they have no value.
        warnings: what has no value, and why.
    """

    name: str
    metrics: CollapseMetrics | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What stays of a network's measurement.

    Attributes:
        layers: from the input to the logits.
        samples: N.
        accuracy: share of samples that the network classifies correctly; None without logits.
        dropped: classes without samples that were left out.
        notes: warnings that concern the whole network.
    """

    layers: tuple[LookedLayer, ...]
    samples: int
    accuracy: float | None
    dropped: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The same keys as ``Measurement.as_json``."""
        layers = [
            {"name": x.name, "metrics": x.metrics.as_json() if x.metrics else None, "warnings": list(x.warnings)}
            for x in self.layers
        ]
        own = {"dropped": list(self.dropped), "notes": list(self.notes)}
        return {"samples": self.samples, "accuracy": self.accuracy, **own, "layers": layers}


@dataclass(frozen=True, slots=True)
class MeasurementSeries:
    """Measurements of one network at increasing steps of its training.

    Attributes:
        steps: whole numbers in whatever unit the loop counts.
        measurements: one per step, without the class moments.

    Raises:
        InvalidInputError: another number of measurements than of steps; steps that do not increase.
    """

    steps: tuple[int, ...] = ()
    measurements: tuple[Look, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.measurements):
            raise InvalidInputError(
                f"measurements: expected one for each of {len(self.steps)} steps, but found {len(self.measurements)}; "
                "pass both in the same order"
            )
        steps: tuple[int, ...] = ()
        for step in self.steps:
            steps = (*steps[-1:], MeasurementSeries.later(steps, step))
        object.__setattr__(self, "steps", tuple(map(index, self.steps)))

    @staticmethod
    def later(steps: tuple[int, ...], step: Any) -> int:
        """The step as a Python number, if it may follow these.

        Args:
            steps: those before.
            step: a whole number of any kind: of Python or NumPy, or a tensor of one.

        Raises:
            InvalidInputError: no whole number that a table holds, or not larger than the last one.

        >>> import numpy as np
        >>> MeasurementSeries.later((3,), np.int16(4))
        4
        """
        step = _whole_number(step)
        if steps and step == steps[-1]:
            raise InvalidInputError(
                f"step: expected one that is not measured yet, but found {step} again; look once per step"
            )
        if steps and step < steps[-1]:
            raise InvalidInputError(
                f"step: expected more than {steps[-1]}, the last one, but found {step}; count steps through the whole "
                "training, or start another recorder"
            )
        return step

    def followed_by(self, step: Any, measurement: Measurement) -> "MeasurementSeries":
        """The series with one more measurement, of which metrics and singular values are kept.

        Args:
            step: a whole number of any kind.
            measurement: of the network at this step.

        Raises:
            InvalidInputError: the step is not larger than the last one.
        """
        step = MeasurementSeries.later(self.steps, step)
        layers = tuple(LookedLayer(layer.name, layer.metrics, layer.warnings) for layer in measurement.layers)
        own = {"dropped": measurement.dropped, "notes": measurement.notes}
        look = Look(layers, measurement.samples, measurement.accuracy, **own)
        return MeasurementSeries((*self.steps, step), (*self.measurements, look))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Long format: ``step``, ``depth`` (from 0), ``layer``, ``metric``, ``value``; what has no value has no row."""
        for step, look in zip(self.steps, self.measurements, strict=True):
            for depth, layer in enumerate(look.layers):
                for metric, value in (layer.metrics.scalars() if layer.metrics else {}).items():
                    yield {"step": step, "depth": depth, "layer": layer.name, "metric": metric, "value": value}

    def table(self) -> "pyarrow.Table":
        """The rows as an Arrow table; ``.to_pandas()`` makes a data frame of it."""
        import pyarrow

        kinds = {"step": "int64", "depth": "int64", "layer": "string", "metric": "string", "value": "float64"}
        schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in kinds.items()])
        return pyarrow.Table.from_pylist(list(self.rows()), schema=schema)

    def as_json(self) -> list[dict[str, object]]:
        """One object per step: ``step`` and the keys of ``Measurement.as_json``."""
        pairs = zip(self.steps, self.measurements, strict=True)
        return [{"step": step, **look.as_json()} for step, look in pairs]


def _whole_number(step: Any) -> int:
    try:
        found = index(step)
    except Exception as error:  # objects of one's own decide what they raise
        raise InvalidInputError(
            f"step: expected a whole number, but found {step!r}; count updates or epochs, or pass int(step)"
        ) from error
    if not -(2**63) <= found < 2**63:
        raise InvalidInputError(f"step: expected a number within int64, but found {found}; count from 0")
    return found


class Recorder:
    """Measures a network whenever the training loop says so, and remembers what it saw.

    Memory grows by O(K) numbers per layer and look: metrics and singular values are kept, class moments are not.

    Args:
        model: the network, which training changes in place.
        loader: batches to measure on, the same at every look, so something that can be iterated over again.
        **options: of ``measure``.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    >>> inputs, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    >>> recorder = Recorder(model, [(inputs, labels)])
    >>> for step in range(0, 30, 10):
    ...     found = recorder.look(step)  # here the loop would train on
    >>> recorder.series().steps
    (0, 10, 20)
    """

    __slots__ = ("_loader", "_model", "_options", "_series")

    def __init__(self, model: nn.Module, loader: Iterable[Any], **options: Any) -> None:
        self._model, self._loader, self._options = model, loader, options
        self._series = MeasurementSeries()

    def look(self, step: Any) -> Measurement:
        """The measurement of the network as it is now, with its class moments.

        Args:
            step: a whole number of any kind: of Python or NumPy, or a tensor of one.

        Raises:
            InvalidInputError: an iterator as loader, which has nothing left for a second look; a step that is not
                larger than the last one (found out before measuring); whatever ``measure`` refuses.
        """
        step = MeasurementSeries.later(self._series.steps, step)
        if isinstance(self._loader, Iterator):
            raise InvalidInputError(
                f"loader: expected something to iterate over at every look, but found the iterator "
                f"{type(self._loader).__name__}, which is empty after one; pass a list or a DataLoader"
            )
        found = measure(self._model, self._loader, **self._options)
        self._series = self._series.followed_by(step, found)
        return found

    def series(self) -> MeasurementSeries:
        """All looks so far; later ones do not change it."""
        return self._series
