"""Figures of sweeps: how often descent collapses against width or decay, and the ranks it ends at."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.ends import Curve, counted
from deepcollapse.plot.paper.marks import PAGE, marks, note, power_of_two, two_axis, width_axis
from deepcollapse.plot.paper.rates import rank_bars, rank_legend, rate_panel
from deepcollapse.plot.style import FAINT, INK, frame, styled

__all__ = ["decay_figure", "width_figure"]

_COLUMNS = 4  # rank panels in a row
_ROW = 1.75  # inches
_MARGINS = 1.5  # inches beside the rank panels
_ABOVE = {
    "loc": "lower right",
    "bbox_to_anchor": (1.0, 1.02),
    "borderpad": 0.0,
    "borderaxespad": 0.0,
    "labelspacing": 0.3,
}


@styled
def width_figure(curves: Sequence[Curve], *, remarks: Sequence[str] = ()) -> Figure:
    """DNC rate against width with 95% Wilson intervals, and below it the ranks at every width, a panel per curve.

    As in Figure 2 of arXiv 2410.23169.

    Args:
        curves: one per initial scale, x the width.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no curve.
    """
    figure, (rates,), bars = _layout(curves, tops=1)
    rate_panel(rates, curves, x_label="width d")
    rates.set_title("Runs that end at deep neural collapse")
    width_axis(rates, np.concatenate([curve.x for curve in curves]))
    if len(curves) > 1:
        rates.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=2.6)
    _ranks(bars, curves, name=lambda width: f"{width:g}", x_label="width d")
    note(figure, " ".join((counted(curves), *remarks)))
    return figure


@styled
def decay_figure(curves: Sequence[Curve], *, remarks: Sequence[str] = ()) -> Figure:
    """DNC rate against the decay, losses at the ends over that of DNC, and below them the ranks at every decay.

    As in Figure 5 of arXiv 2410.23169. Open marks are decided runs.

    Args:
        curves: x the decay lambda.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no curve.
    """
    figure, (rates, losses), bars = _layout(curves, tops=2)
    places = np.concatenate([curve.x for curve in curves])
    rate_panel(rates, curves, x_label="decay λ")
    rates.set_title("Ends at DNC")
    _relative_losses(losses, curves)
    for axes in (rates, losses):
        two_axis(axes, places)
    if len(curves) > 1:
        rates.legend(**_ABOVE, handlelength=2.6)
    _ranks(bars, curves, name=power_of_two, x_label="decay λ")
    left_out = sum(curve.without_bound for curve in curves)
    beyond = f"{left_out} endpoints at decays where DNC does not exist have no ratio." if left_out else ""
    note(figure, " ".join((counted(curves), *filter(None, (beyond,)), *remarks)))
    return figure


def _relative_losses(axes: Axes, curves: Sequence[Curve]) -> None:
    frame(axes, grid="y")
    axes.axhline(1.0, color=FAINT, linewidth=1.1, linestyle=(0, (4, 3)), label="DNC")
    known = {(float(x), float(loss)) for curve in curves for x, loss in curve.known.T}
    if known:
        places, lowest = zip(*sorted(known), strict=True)
        axes.plot(places, lowest, color=INK, linewidth=1.0, marker=".", markersize=3.0, label="best structure known")
    for index, (curve, look) in enumerate(zip(curves, marks(len(curves)), strict=True)):
        axes.plot(
            curve.places,
            curve.relative_losses,
            linestyle="none",
            marker=look.marker,
            markersize=3.5 + 1.5 * index,
            markerfacecolor="none",
            markeredgecolor=look.color,
            markeredgewidth=0.8,
            label="decided runs" if index == 0 else "_",
        )
    axes.legend(**_ABOVE, handlelength=2.0)
    axes.set_xlabel("decay λ")
    axes.set_ylabel("loss / loss of DNC")
    axes.set_title("Losses")


def _layout(curves: Sequence[Curve], *, tops: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """A figure with so many panels above and one per curve below."""
    if not curves:
        raise InvalidInputError("curves: expected at least one, but found none; run a sweep")
    columns = min(len(curves), _COLUMNS)
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(PAGE, 2.6 + _ROW * rows + 0.3), layout="constrained")
    whole = figure.add_gridspec(2, 1, height_ratios=[2.3, _ROW * rows])
    above = whole[0].subgridspec(1, tops).subplots(squeeze=False)
    below = whole[1].subgridspec(rows, columns).subplots(squeeze=False, sharey=True)
    for axes in below.flat[len(curves) :]:
        axes.remove()
    return figure, list(above.flat), list(below.flat[: len(curves)])


def _ranks(bars: Sequence[Axes], curves: Sequence[Curve], *, name: Callable[[float], str], x_label: str) -> None:
    ends = [end for curve in curves for end in curve.ends]
    ranks = sorted({rank for end in ends for rank in end.ranks})
    room = (PAGE - _MARGINS) / min(len(curves), _COLUMNS)
    for index, (axes, curve) in enumerate(zip(bars, curves, strict=True)):
        named = dict(zip(map(name, curve.x), curve.ends, strict=True))
        rank_bars(axes, named, ranks=ranks, room=room)
        axes.set_title(f"{curve.label}\nn = {_sizes(curve)}".strip(), fontsize=8.5, fontweight="normal")
        axes.set_xlabel(x_label)
        axes.set_ylabel("share of runs" if index % _COLUMNS == 0 else "")
    rank_legend(bars[min(len(bars), _COLUMNS) - 1], ends, ranks=ranks)


def _sizes(curve: Curve) -> str:
    """Runs at each place, as one number or a range."""
    sizes = [end.total for end in curve.ends]
    return f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
