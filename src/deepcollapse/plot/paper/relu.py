"""The figure of deep ReLU feature models: losses at the ends against the bound of collapse, and their ranks."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.ends import Ends
from deepcollapse.plot.paper.marks import MARKS, PAGE, Mark, marks, note
from deepcollapse.plot.paper.rates import rank_bars, rank_legend
from deepcollapse.plot.style import FAINT, GREEN, PAPER, VERMILION, frame, styled

__all__ = ["ReluRuns", "relu_figure"]

_HELD = 0.75  # share of the runs that the axis of losses holds at least
_BARS = 1.5  # inches of the panel of ranks
_FEW = (MARKS[0], MARKS[3], MARKS[4])  # the others have the colours of the levels
_NETWORKS = ((GREEN, (0, (1, 1.5))), (FAINT, (0, (6, 2, 1, 2))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReluRuns:
    """Runs of a deep ReLU feature model from one law of starts.

    Attributes:
        label: what tells these runs from others.
        losses: F at the ends of the decided runs.
        undecided_losses: F where the others stood at the horizon; diverged runs have none.
        ends: all of them counted.
    """

    label: str
    losses: Float[np.ndarray, " r"]
    undecided_losses: Float[np.ndarray, " s"]
    ends: Ends


@styled
def relu_figure(
    runs: Sequence[ReluRuns],
    *,
    bound: float | None,
    networks: Mapping[str, float],
    remarks: Sequence[str] = (),
) -> Figure:
    """Share of runs that end at or below a loss, against the linear DNC bound and explicit networks; ranks beside it.

    As in Figure 6 of arXiv 2410.23169. Filled marks are decided runs, open marks stood there at the horizon. The axis
    reaches as far above the bound as the lowest mark lies below it, or further to hold three quarters of the runs; the
    note says how many lie beyond.

    Args:
        runs: one entry per law of starts.
        bound: loss of linear collapse, which bounds that of ReLU collapse from below; None where it does not exist.
        networks: name -> loss of an explicit ReLU network of low rank.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no runs with an end.
    """
    losses = np.concatenate([np.zeros(0), *((np.append(r.losses, r.undecided_losses)) for r in runs)])
    if not losses.size:
        raise InvalidInputError("runs: expected at least one that has a loss, but found none; run an ensemble")
    figure = Figure(figsize=(PAGE, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.0, 1.0])
    low, high = _range(losses, np.array(list(networks.values())), bound)
    _losses(left, runs)
    left.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    _levels(left, bound, networks)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=4, fontsize=7.5, handlelength=2.4)
    _ranks(right, runs)
    beyond = int((losses > high).sum())
    left_out = f"{beyond} beyond the axis, up to {losses.max():.4g}." if beyond else ""
    note(figure, " ".join(filter(None, (_counted(runs), left_out, *remarks))))
    return figure


def _losses(axes: Axes, runs: Sequence[ReluRuns]) -> None:
    frame(axes, grid="y")
    for one, look in zip(runs, _looks(len(runs)), strict=True):
        values = np.concatenate([one.losses, one.undecided_losses])
        settled = np.repeat([True, False], [one.losses.size, one.undecided_losses.size])
        order = np.argsort(values, kind="stable")
        shares = np.arange(1, values.size + 1) / one.ends.total
        axes.step(values[order], shares, where="post", color=look.color, linestyle=look.line, linewidth=1.0)
        for chosen, face in ((settled[order], look.color), (~settled[order], PAPER)):
            axes.plot(
                values[order][chosen],
                shares[chosen],
                linestyle="none",
                marker=look.marker,
                markersize=4.0 if len(runs) <= len(_FEW) else 2.8,
                markerfacecolor=face,
                markeredgecolor=look.color,
                label="_",
            )
        if one.label:
            axes.plot([], [], **look.style(size=4.0), label=one.label)
    axes.set_ylim(0.0, 1.03)
    axes.set_xlabel("regularised loss F")
    axes.set_ylabel("share of runs at or below")
    axes.set_title("Loss at the ends")


def _looks(count: int) -> Sequence[Mark]:
    return _FEW[:count] if count <= len(_FEW) else marks(max(count, len(MARKS) + 1))[-count:]


def _levels(axes: Axes, bound: float | None, networks: Mapping[str, float]) -> None:
    if bound is not None:
        text = f"linear DNC bound {bound:.5g}"
        axes.axvline(bound, color=VERMILION, linewidth=1.4, linestyle=(0, (5, 2)), label=text)
    for index, (name, loss) in enumerate(sorted(networks.items(), key=lambda item: item[1])):
        color, line = _NETWORKS[min(index, 1)]
        axes.axvline(loss, color=color, linewidth=1.4, linestyle=line, label=f"{name} {loss:.5g}")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _ranks(axes: Axes, runs: Sequence[ReluRuns]) -> None:
    """Bars named by what the labels do not share, which is below them all."""
    labels = [one.label.rpartition(" ") for one in runs]
    common = {words for words, _, _ in labels}
    short = len(common) == 1
    named = {
        (last or "all runs") if short else textwrap.fill(one.label, 10): one.ends
        for one, (_, _, last) in zip(runs, labels, strict=True)
    }
    ranks = sorted({rank for one in runs for rank in one.ends.ranks})
    rank_bars(axes, named, ranks=ranks, room=_BARS)
    rank_legend(axes, list(named.values()), ranks=ranks)
    axes.set_xlabel(common.pop() if short else "")
    axes.set_title("Ranks")
    axes.set_ylabel("share of runs")


def _range(losses: np.ndarray, levels: np.ndarray, bound: float | None) -> tuple[float, float]:
    low = float(np.concatenate([losses, levels]).min())
    low = low if bound is None else min(low, bound)
    reach = [] if bound is None else [bound + (bound - low)]
    return low, max(*reach, float(np.quantile(losses, _HELD)), float(levels.max(initial=low)), low * 1.05)


def _counted(runs: Sequence[ReluRuns]) -> str:
    total, ended = sum(one.ends.total for one in runs), sum(one.ends.decided for one in runs)
    parts = [f"{ended} decided"]
    if slow := sum(one.ends.not_converged for one in runs):
        parts.append(f"{slow} undecided (open marks)")
    if lost := sum(one.ends.diverged for one in runs):
        parts.append(f"{lost} diverged")
    return f"{total} runs: {', '.join(parts)}."
