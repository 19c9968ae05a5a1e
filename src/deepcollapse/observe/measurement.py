"""What a measurement of a network is: the collapse metrics of its layers, as a table, JSON, arrays or HTML."""

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from deepcollapse.metrics import CollapseMetrics
from deepcollapse.stats import ClassMoments

if TYPE_CHECKING:
    import pyarrow

__all__ = ["LayerMeasurement", "Measurement"]

_SHOWN = ("nc1/quotient", "nc1/papyan", "nc1/rank", "nc2/equinorm_means", "nc2/equiangular_means", "nc3/papyan")


@dataclass(frozen=True, slots=True)
class LayerMeasurement:
    """The features at one place of a network.

    Attributes:
        name: of the layer whose output they are; what enters the classifier has the classifier's name and " (input)".
        moments: of the features.
        metrics: of the features, and at its input of the classifier, too; None where all class means are equal.
        warnings: what has no value, and why.
    """

    name: str
    moments: ClassMoments
    metrics: CollapseMetrics | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The layers of a network in the order in which they ran.

    Attributes:
        layers: from the input to the logits.
        samples: N.
        accuracy: share of samples whose largest logit is that of their class; None without a classifier.
    """

    layers: tuple[LayerMeasurement, ...]
    samples: int
    accuracy: float | None

    def __getitem__(self, name: str) -> CollapseMetrics:
        """The metrics of one layer.

        Raises:
            KeyError: no such layer, or none of its metrics has a value.
        """
        found = {layer.name: layer.metrics for layer in self.layers}
        if (metrics := found.get(name)) is None:
            raise KeyError(f"layer: expected one of {[n for n, m in found.items() if m]}, but found {name!r}")
        return metrics

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has no value, and why, layer by layer."""
        return tuple(f"{layer.name}: {text}" for layer in self.layers for text in layer.warnings)

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
        """Keys ``samples``, ``accuracy``, ``layers`` (``name``, ``metrics``, ``warnings``)."""
        return {
            "samples": self.samples,
            "accuracy": self.accuracy,
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

        Keys: ``<layer>/counts``, ``<layer>/means``, ``<layer>/singular_values``; metadata key ``measurement``.
        """
        from safetensors.numpy import save_file

        arrays: dict[str, np.ndarray] = {}
        for layer in self.layers:
            arrays[f"{layer.name}/counts"] = layer.moments.counts
            arrays[f"{layer.name}/means"] = layer.moments.means
            if layer.metrics:
                arrays[f"{layer.name}/singular_values"] = layer.metrics.spectrum.singular_values
        save_file(arrays, file, metadata={"measurement": json.dumps(self.as_json())})

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("layer", "d", *_SHOWN))
        body = "".join(f"<tr>{''.join(_cells(layer))}</tr>" for layer in self.layers)
        notes = "".join(f"<li>{html.escape(text)}</li>" for text in self.warnings)
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.2%}"
        return (
            f"<p>{self.samples} samples{accuracy}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            + (f"<ul>{notes}</ul>" if notes else "")
        )


def _cells(layer: LayerMeasurement) -> Iterator[str]:
    found = layer.metrics.scalars() if layer.metrics else {}
    yield f"<td>{html.escape(layer.name)}</td><td>{layer.moments.width}</td>"
    for name in _SHOWN:
        yield f"<td>{f'{found[name]:.3g}' if name in found else '-'}</td>"
