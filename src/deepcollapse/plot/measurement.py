"""A network's collapse through depth and through training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import Measurement, MeasurementSeries
from deepcollapse.plot.depth import depth_figure
from deepcollapse.plot.layer_names import short_name, thinned
from deepcollapse.plot.style import log_if_wide, panels, shades, styled, whole_ticks

__all__ = ["MEASURED", "measurement_figure", "training_figure"]

_LISTED = 24  # layers whose names fit into the legend

MEASURED: Mapping[str, str] = {
    "nc1/quotient": "tr Σ_W / tr Σ_B",
    "cdnv": "CDNV",
    "nc1/rank": "rank of class means",
    "nc2/equinorm_means": "NC2 norms",
    "nc2/equiangular_means": "NC2 angles",
    "nc2/etf_error_means": "NC2 simplex error",
}
"""Metrics that every layer has, with the titles of their panels."""


def measurement_figure(found: Measurement, *, metrics: Mapping[str, str] = MEASURED) -> Figure:
    """One panel per metric, its value at every layer, the first layer on the left.

    Layers are named as in ``depth_figure``.

    Args:
        found: of a network.
        metrics: names as in ``CollapseMetrics.scalars``, with the titles of the panels. A gap is a layer without value.

    Raises:
        InvalidInputError: a metric that no layer has.
    """
    values = [layer.metrics.scalars() if layer.metrics else {} for layer in found.layers]
    _expect_known(metrics, {name for row in values for name in row})
    panels = {title: np.array([row.get(name, np.nan) for row in values]) for name, title in metrics.items()}
    return depth_figure([layer.name for layer in found.layers], panels)


@styled
def training_figure(
    series: MeasurementSeries, *, layers: Sequence[str] | None = None, metrics: Mapping[str, str] = MEASURED
) -> Figure:
    """One panel per metric, over steps of training, one line per layer (darker is deeper).

    Args:
        series: looks at a network, as a ``Recorder`` takes them.
        layers: which; all if left out.
        metrics: names as in ``CollapseMetrics.scalars``, with the titles of the panels.

    Raises:
        InvalidInputError: a layer or a metric that is not in the series.
    """
    rows = list(series.rows())
    _expect_known(metrics, {row["metric"] for row in rows})
    present = list(dict.fromkeys(row["layer"] for row in rows))
    names = present if layers is None else list(layers)
    _expect_known(names, set(present))
    figure, grid = panels(len(metrics), margin=1.2)
    for axes, (metric, title) in zip(grid, metrics.items(), strict=True):
        axes.set_title(title)
        for name, colour in zip(names, shades(len(names)), strict=True):
            looks = [(row["step"], row["value"]) for row in rows if (row["layer"], row["metric"]) == (name, metric)]
            axes.plot(*np.reshape(looks, (-1, 2)).T, color=colour, linewidth=1.5, label=name)
        log_if_wide(axes, np.concatenate([line.get_ydata() for line in axes.lines]))
        whole_ticks(axes)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    listed = [line for line, shown in zip(grid[0].lines, thinned(len(names), _LISTED), strict=True) if shown]
    labels = [short_name(str(line.get_label())) for line in listed]
    figure.legend(listed, labels, loc="outside right upper", title="layer")
    figure.supxlabel("step", fontsize=9)
    return figure


def _expect_known(asked: Sequence[str] | Mapping[str, str], known: set[str]) -> None:
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        raise InvalidInputError(
            f"figure: expected names among {sorted(known)}, but found {unknown or 'none'}; choose others"
        )
