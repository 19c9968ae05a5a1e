"""Metrics of neural collapse from layer to layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.style import BLUE, PAPER, frame, log_ticks, styled

__all__ = ["depth_figure"]

_MOST_COLUMNS = 3


@styled
def depth_figure(layers: Sequence[str], metrics: Mapping[str, Float[np.ndarray, " _"]]) -> Figure:
    """One panel per metric, its value at every layer, first layer on the left.

    An axis is logarithmic where all values are positive and spread over more than a factor of 10.

    Args:
        layers: names, in the order of the forward pass.
        metrics: name -> one value per layer; NaN where the metric has no value, which leaves a gap.

    Raises:
        InvalidInputError: no layer, no metric, or another number of values than layers.
    """
    _expect_metrics(layers, metrics)
    columns = 2 if len(metrics) == 4 else min(len(metrics), _MOST_COLUMNS)
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(max(3.4, 2.35 * columns), 0.3 + 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(metrics) :]:
        axes.remove()
    for axes, (name, values) in zip(grid.flat, metrics.items(), strict=False):
        _panel(axes, values, layers=layers)
        axes.set_title(name)
    figure.supxlabel("layer", fontsize=9)
    return figure


def _panel(axes: Axes, values: Float[np.ndarray, " l"], *, layers: Sequence[str]) -> None:
    frame(axes, grid="y")
    axes.plot(
        range(len(layers)),
        values,
        color=BLUE,
        linewidth=1.5,
        marker="o",
        markersize=6,
        markeredgecolor=PAPER,
    )
    axes.set_xticks(range(len(layers)), list(layers))
    if len(layers) * max(map(len, layers)) > 16:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(layers) - 0.6)
    shown = values[np.isfinite(values)]
    if shown.size and shown.min() > 0 and shown.max() > 10 * shown.min():
        axes.set_yscale("log")
        log_ticks(axes.yaxis, decades=float(np.log10(shown.max() / shown.min())))


def _expect_metrics(layers: Sequence[str], metrics: Mapping[str, np.ndarray]) -> None:
    if not layers or not metrics:
        raise InvalidInputError(
            f"depth: expected at least one layer and one metric, but found {len(layers)} and {len(metrics)}; "
            "measure some"
        )
    for name, values in metrics.items():
        if values.shape != (len(layers),):
            raise InvalidInputError(
                f"depth: expected {len(layers)} values of {name!r}, one per layer, but found shape {values.shape}; "
                "use NaN where there is none"
            )
