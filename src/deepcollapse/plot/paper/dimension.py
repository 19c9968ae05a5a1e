"""The measured rate of collapse beside the ratio of the dimensions of the two solution sets (T5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.ends import Curve, counted
from deepcollapse.plot.paper.marks import PAGE, note, width_axis
from deepcollapse.plot.paper.rates import rate_panel
from deepcollapse.plot.style import BLUE, FAINT, VERMILION, frame, styled

__all__ = ["DimensionRatio", "dimension_figure"]

_FEW = 4  # curves whose legend fits into the panel


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionRatio:
    """R(d), the dimension of the set of collapsed factorisations over that of low rank, along the width.

    Attributes:
        widths: increasing.
        paper: by the paper's count (arXiv 2410.23169, T5), NaN where a set is empty.
        exact: by the exact count.
        limit: (K - 1) / r, which both approach.
        structure: name of the low-rank structure.
        rank: r, its rank.
    """

    widths: Float[np.ndarray, " n"]
    paper: Float[np.ndarray, " n"]
    exact: Float[np.ndarray, " n"]
    limit: float
    structure: str
    rank: int


@styled
def dimension_figure(curves: Sequence[Curve], ratio: DimensionRatio, *, remarks: Sequence[str] = ()) -> Figure:
    """DNC rate against width beside R(d), by the paper's count and the exact one, on the same axis of widths.

    R(d) is the same for every initial scale: what tells the curves of the rate apart is not in it.

    Args:
        curves: one per initial scale, x the width.
        ratio: of the dimensions.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no curve.
    """
    if not curves:
        raise InvalidInputError("curves: expected at least one, but found none; run a sweep over the width")
    figure = Figure(figsize=(PAGE, 2.75), layout="constrained")
    rates, ratios = figure.subplots(1, 2)
    rate_panel(rates, curves, x_label="width d")
    rates.set_title("Measured rate of DNC")
    _ratios(ratios, ratio)
    for axes in (rates, ratios):
        width_axis(axes, np.concatenate([curve.x for curve in curves]))
    if 1 < len(curves) <= _FEW:
        rates.legend(loc="upper left", borderaxespad=0.4, fontsize=7.5, handlelength=2.6)
    elif len(curves) > _FEW:
        figure.legend(*rates.get_legend_handles_labels(), loc="outside upper left", ncols=4, fontsize=7.5)
    note(figure, " ".join((counted(curves), f"R(d): collapse over {ratio.structure}, rank {ratio.rank}.", *remarks)))
    return figure


def _ratios(axes: Axes, ratio: DimensionRatio) -> None:
    frame(axes, grid="y")
    axes.plot(ratio.widths, ratio.exact, color=BLUE, linewidth=1.6, label="exact")
    axes.plot(ratio.widths, ratio.paper, color=VERMILION, linewidth=1.4, linestyle=(0, (5, 2)), label="paper's count")
    axes.axhline(ratio.limit, color=FAINT, linewidth=1.0, linestyle=(0, (1, 1.5)), label=f"limit {ratio.limit:.3g}")
    axes.set_ylim(0.0, 1.25 * ratio.limit)
    axes.set_xlabel("width d")
    axes.set_ylabel("R(d)")
    axes.set_title("Ratio of dimensions")
    axes.legend(loc="lower right", borderaxespad=0.4, fontsize=7.5, handlelength=2.4)
