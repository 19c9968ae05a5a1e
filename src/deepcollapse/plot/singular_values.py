"""Singular values of logits, one panel per structure or network."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.style import BLUE, FAINT, frame, log_ticks, styled

__all__ = ["singular_values_figure"]

_COLUMNS = 4
_NOISE = 1e-17  # share of the largest value below which float64 knows only noise
_SPREAD = 6.0  # ratio of largest singular values above which a linear axis hides the small panels


@styled
def singular_values_figure(
    spectra: Mapping[str, Float[np.ndarray, " _"]],
    *,
    log: bool | None = None,
    threshold: float | None = None,
) -> Figure:
    """Singular values by index, a panel per name, on shared axes.

    Args:
        spectra: name -> singular values >= 0 in any order; a logarithmic axis leaves out those below 1e-17 of the
            largest.
        log: logarithmic axis; by default where one is needed: values of a panel, or the panels' largest values, spread
            over a factor of more than 6.
        threshold: a level to draw across, such as the one above which a singular value counts towards the rank.

    Raises:
        InvalidInputError: no spectrum, or a value that is negative or not finite.
    """
    values = {name: np.sort(found)[::-1] for name, found in spectra.items()}
    _expect_spectra(values)
    log = _spread(values) > _SPREAD if log is None else log
    columns = min(len(values), _COLUMNS)
    rows = math.ceil(len(values) / columns)
    size = (max(3.4, 1.75 * columns), 0.4 + 1.55 * rows + (0.7 if rows == 1 else 0.0))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for index, axes in enumerate(grid.flat):
        if index >= len(values):
            axes.remove()
            continue
        lowest = index + columns >= len(values)
        axes.tick_params(labelbottom=lowest)
        axes.set_xlabel("index" if lowest else "")
    for axes, (name, found) in zip(grid.flat, values.items(), strict=False):
        _panel(axes, found, log=log)
        axes.set_title(name, fontsize=8.5)
        if threshold is not None:
            axes.axhline(threshold, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    _scale(grid[0, 0], values, log=log, threshold=threshold)
    figure.supylabel("singular value", fontsize=9)
    return figure


def _panel(axes: Axes, values: Float[np.ndarray, " r"], *, log: bool) -> None:
    frame(axes, grid="y")
    index = np.arange(1, values.size + 1)
    if not log:
        axes.vlines(index, 0.0, values, color=BLUE, linewidth=2.2, alpha=0.45)
    axes.plot(index, values, linestyle="none", marker="o", markersize=5, color=BLUE)


def _scale(axes: Axes, values: Mapping[str, np.ndarray], *, log: bool, threshold: float | None) -> None:
    """Limits and ticks of the shared axes, set on one of them."""
    shown = np.concatenate([*values.values(), [] if threshold is None else [threshold]])
    positive = _visible(shown)
    axes.set_xlim(0.4, max(found.size for found in values.values()) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    if log and positive.size:
        margin = max(1.5, math.exp(0.04 * (math.log(positive.max()) - math.log(positive.min()))))
        low, high = positive.min() / margin, positive.max() * margin
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        log_ticks(axes.yaxis, decades=math.log10(high / low))
    else:
        axes.set_ylim(0.0, 1.08 * float(shown.max(initial=0.0)) or 1.0)


def _spread(values: Mapping[str, np.ndarray]) -> float:
    """Largest ratio that a linear axis would have to show: within a panel, or between the panels' maxima."""
    positive = [_visible(found) for found in values.values()]
    maxima = [found.max() for found in positive if found.size]
    minima = [found.min() for found in positive if found.size]
    with np.errstate(over="ignore"):  # a ratio beyond float64 is infinite, and needs a logarithmic axis all the same
        within = [most / least for most, least in zip(maxima, minima, strict=True)]
        return float(max(*within, max(maxima) / min(maxima))) if maxima else 1.0


def _visible(values: np.ndarray) -> np.ndarray:
    """The values that a logarithmic axis shows."""
    return values[values > _NOISE * values.max(initial=0.0)]


def _expect_spectra(values: Mapping[str, np.ndarray]) -> None:
    if not values:
        raise InvalidInputError("spectra: expected at least one, but found none; give name: singular values")
    for name, found in values.items():
        if not (np.isfinite(found).all() and (found >= 0).all()):
            raise InvalidInputError(
                f"spectra: expected finite singular values >= 0, but found {found.min()} in {name!r}; "
                "take them from a singular value decomposition"
            )
