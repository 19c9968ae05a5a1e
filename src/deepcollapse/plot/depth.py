"""Metrics of neural collapse from layer to layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.layer_names import short_name, thinned
from deepcollapse.plot.style import BLUE, PAPER, log_if_wide, panels, styled, whole_ticks

__all__ = ["depth_figure"]

_NAMED = 9  # layers whose names fit below a panel


@styled
def depth_figure(layers: Sequence[str], metrics: Mapping[str, Float[np.ndarray, " _"]]) -> Figure:
    """One panel per metric, its value at every layer, first layer on the left.

    An axis is logarithmic where all values are positive and spread over more than a factor of 10. Of many layers only
    every second, third, ... is named, counted from the last one; of long names the end is shown.

    Args:
        layers: names, in the order of the forward pass.
        metrics: name -> one value per layer; NaN where the metric has no value, which leaves a gap.

    Raises:
        InvalidInputError: no layer, no metric, or another number of values than layers.
    """
    _expect_metrics(layers, metrics)
    figure, grid = panels(len(metrics))
    for axes, (name, values) in zip(grid, metrics.items(), strict=True):
        _panel(axes, values, layers=layers)
        axes.set_title(name)
    figure.supxlabel("layer", fontsize=9)
    return figure


def _panel(axes: Axes, values: Float[np.ndarray, " l"], *, layers: Sequence[str]) -> None:
    axes.plot(
        range(len(layers)),
        values,
        color=BLUE,
        linewidth=1.5,
        marker="o",
        markersize=6,
        markeredgecolor=PAPER,
    )
    shown = thinned(len(layers), _NAMED)
    names = [short_name(layer) if named else "" for layer, named in zip(layers, shown, strict=True)]
    axes.set_xticks(range(len(layers)), names)
    if sum(map(len, names)) > 16:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(layers) - 0.6)
    log_if_wide(axes, values)
    whole_ticks(axes)


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
