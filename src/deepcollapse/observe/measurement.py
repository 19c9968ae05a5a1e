"""What a measurement of a network is: the collapse metrics of its layers, as a table, JSON, arrays, text or HTML."""

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepcollapse.errors import UndefinedError
from deepcollapse.metrics import CollapseMetrics
from deepcollapse.stats import ClassMoments

if TYPE_CHECKING:
    import pyarrow

__all__ = ["LayerMeasurement", "Measurement"]

_SHOWN = (
    "nc1/quotient",
    "nc1/papyan",
    "nc1/rank",
    "nc2/equinorm_means",
    "nc2/equiangular_means",
    "nc3/papyan",
    "nc4/agreement",
)
_HEAD = ["layer", "d", *_SHOWN]


@dataclass(frozen=True, slots=True)
class LayerMeasurement:
    """The features at one place of a network.

    Attributes:
        name: of the layer whose output they are; what enters the classifier has the classifier's name and " (input)".
        moments: of the features, without classes that were dropped.
        metrics: of the features, and at its input of the classifier, too; None where all class means are equal.
        warnings: what has no value, and why.
    """

    name: str
    moments: ClassMoments = field(repr=False)
    metrics: CollapseMetrics | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """The layers of a network in the order in which they ran; printed, a table with a row for each.

    Attributes:
        layers: from the input to the logits.
        samples: N.
        accuracy: share of samples whose largest logit is that of their class; None without logits.
        dropped: classes without samples that were left out; the others keep their order.
        notes: warnings that concern the whole network.
    """

    layers: tuple[LayerMeasurement, ...]
    samples: int
    accuracy: float | None
    dropped: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> CollapseMetrics:
        """The metrics of one layer.

        Raises:
            KeyError: no such layer.
            UndefinedError: none of its metrics has a value.
        """
        found = {layer.name: layer for layer in self.layers}
        if name not in found:
            raise KeyError(f"layer: expected one of {list(found)}, but found {name!r}")
        if (metrics := found[name].metrics) is None:
            raise UndefinedError(f"{name}: {'; '.join(found[name].warnings)}")
        return metrics

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and what has no value, and why, layer by layer."""
        return self.notes + tuple(f"{layer.name}: {text}" for layer in self.layers for text in layer.warnings)

    def scalars(self) -> dict[str, float]:
        """Every number that has a value, by "layer/metric", as loggers want them."""
        own = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return own | {f"{row['layer']}/{row['metric']}": row["value"] for row in self.rows()}

    def rows(self) -> Iterator[dict]:
        """Long format: ``depth`` (from 0), ``layer``, ``metric``, ``value``."""
        for depth, layer in enumerate(self.layers):
            if layer.metrics:
                for metric, value in layer.metrics.scalars().items():
                    yield {"depth": depth, "layer": layer.name, "metric": metric, "value": value}

    def table(self) -> "pyarrow.Table":
        """The rows as an Arrow table; ``.to_pandas()`` makes a data frame of it."""
        import pyarrow

        columns = {"depth": "int64", "layer": "string", "metric": "string", "value": "float64"}
        schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
        return pyarrow.Table.from_pylist(list(self.rows()), schema=schema)

    def as_json(self) -> dict[str, object]:
        """Keys ``samples``, ``accuracy``, ``dropped``, ``notes``, ``layers`` (``name``, ``metrics``, ``warnings``)."""
        return {
            "samples": self.samples,
            "accuracy": self.accuracy,
            "dropped": list(self.dropped),
            "notes": list(self.notes),
            "layers": [
                {
                    "name": layer.name,
                    "metrics": layer.metrics.as_json() if layer.metrics else None,
                    "warnings": list(layer.warnings),
                }
                for layer in self.layers
            ],
        }

    def save(self, file: str | PathLike[str]) -> None:
        """Write counts, class means and singular values of every layer as safetensors, with the JSON as metadata.

        The file's folder is made if missing.

        Keys: ``<layer>/counts``, ``<layer>/means``, ``<layer>/singular_values``; metadata key ``measurement``.
        """
        from safetensors.numpy import save

        arrays: dict[str, np.ndarray] = {}
        for layer in self.layers:
            arrays[f"{layer.name}/counts"] = layer.moments.counts
            arrays[f"{layer.name}/means"] = layer.moments.means
            if layer.metrics:
                arrays[f"{layer.name}/singular_values"] = layer.metrics.spectrum.singular_values
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(arrays, metadata={"measurement": json.dumps(self.as_json())}))

    def __repr__(self) -> str:
        rows = [_HEAD, *map(_cells, self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
        return "\n".join([self._title(), *map("  ".join, lines), *self.warnings])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in _HEAD)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(layer)) for layer in self.layers)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        notes = "".join(f"<li>{html.escape(text)}</li>" for text in self.warnings)
        return f"<p>{self._title()}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" + (
            f"<ul>{notes}</ul>" if notes else ""
        )

    def _title(self) -> str:
        return f"{self.samples} samples" + ("" if self.accuracy is None else f", accuracy {self.accuracy:.2%}")


def _cells(layer: LayerMeasurement) -> list[str]:
    """What a table shows of a layer."""
    found = layer.metrics.scalars() if layer.metrics else {}
    numbers = (f"{found[name]:.3g}" if name in found else "-" for name in _SHOWN)
    return [layer.name, str(layer.moments.width), *numbers]
