"""Panels that several figures share: how often runs collapse, and the ranks they end at."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from deepcollapse.plot.paper.ends import Curve, Ends
from deepcollapse.plot.paper.marks import marks, room_of
from deepcollapse.plot.style import FAINT, INK, PAPER, frame, shades

__all__ = ["rank_bars", "rank_legend", "rate_panel"]

_TALL = 0.13  # share of a bar in which a number fits
_DIGIT = 0.09  # inches of a bar in which a number fits
_UPRIGHT = 0.13  # inches from one upright name to the next
_WIDTH = 0.78
_DODGE = 1.6 / 72  # inches between curves
_DARK = 0.45  # luminance below which text is white
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_HATCHES = {"undecided": "/////", "diverged": "xxxxx"}


def rate_panel(axes: Axes, curves: Sequence[Curve], *, x_label: str) -> None:
    """Share of collapse against x, with 95% Wilson intervals, one mark per curve.

    A place with undecided runs has no rate: its interval is dotted, has no mark and leaves a gap in the line. Curves
    are drawn a point apart, so that intervals at one place can be told from each other; the data are not shifted.
    """
    frame(axes, grid="y")
    for index, (curve, mark) in enumerate(zip(curves, marks(len(curves)), strict=True)):
        rates = [end.rate for end in curve.ends]
        values = np.array([rate.value for rate in rates], dtype=float)  # None becomes NaN: a gap
        ends = np.array([rate.interval or (np.nan, np.nan) for rate in rates])
        shift = ScaledTranslation(_DODGE * (index - (len(curves) - 1) / 2), 0.0, axes.figure.dpi_scale_trans)
        axes.errorbar(
            curve.x,
            values,
            yerr=np.maximum([values - ends[:, 0], ends[:, 1] - values], 0.0),
            **mark.style(),
            linewidth=1.4,
            elinewidth=1.0,
            capsize=2.5,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            label=curve.label or "DNC rate",
            transform=axes.transData + shift,
        )
        low, high = np.where(np.isnan(values), ends.T, np.nan)
        dots = {"linestyles": ":", "linewidth": 1.4, "color": mark.color}
        axes.vlines(curve.x, low, high, **dots, transform=axes.transData + shift)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "", "0.5", "", "1"])
    axes.set_ylabel("DNC rate")
    axes.set_xlabel(x_label)


def rank_bars(axes: Axes, ends: Mapping[str, Ends], *, ranks: Sequence[int], room: float) -> None:
    """Shares of all runs by the rank of their logits, stacked from low rank (light) to high (dark), one bar per name.

    Undecided and diverged runs are hatched, at the top of the bar. A share that is large enough has its
    rank written in it.

    Args:
        axes: to draw in.
        ends: name below the bar -> how its runs ended.
        ranks: all that occur in the figure, so that a rank has one colour in all of its panels.
        room: inches that the panel is wide, roughly.
    """
    wide = room * _WIDTH / len(ends) >= _DIGIT
    colors = _rank_colors(ranks)
    for place, end in enumerate(ends.values()):
        bottom = 0.0
        for kind, share in _segments(end):
            look = _hatched(kind) if isinstance(kind, str) else {"color": colors[kind], "edgecolor": PAPER}
            axes.bar(place, share, bottom=bottom, width=_WIDTH, linewidth=0.6, **look)
            if isinstance(kind, int) and wide and share >= _TALL:
                _number(axes, (place, bottom + share / 2), kind, on=colors[kind])
            bottom += share
    _names(axes, list(ends), room=room)
    axes.set_xlim(-0.6, len(ends) - 0.4)
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])


def rank_legend(axes: Axes, ends: Sequence[Ends], *, ranks: Sequence[int]) -> None:
    """What the colours and hatches of ``rank_bars`` mean, right of a panel, in the order they are stacked."""
    lost = {"diverged": sum(end.diverged for end in ends), "undecided": sum(end.not_converged for end in ends)}
    patches = [Patch(label=name, **_hatched(name)) for name, count in lost.items() if count]
    colors = _rank_colors(ranks)
    patches += [Patch(facecolor=colors[rank], label=f"rank {rank}") for rank in sorted(ranks, reverse=True)]
    axes.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(1.03, 1.0),
        borderpad=0.0,
        fontsize=7.5,
        handlelength=1.2,
        labelspacing=0.3,
    )


def _names(axes: Axes, names: Sequence[str], *, room: float) -> None:
    """Below the bars; upright where they would touch, and then as many, counted from the last, as fit."""
    crowded = sum(max(map(room_of, name.split("\n"))) for name in names) > room
    step = math.ceil(len(names) * _UPRIGHT / room) if crowded else 1
    kept = range(len(names))[::-step][::-1]
    axes.set_xticks(list(kept), [names[place] for place in kept])
    axes.tick_params(axis="x", length=0, labelrotation=90 if crowded else 0)


def _segments(end: Ends) -> Iterator[tuple[int | str, float]]:
    """Rank, or how a run failed to end, and its share of all runs, from the bottom of the bar to its top."""
    counts: dict[int | str, int] = {rank: end.ranks[rank] for rank in sorted(end.ranks)}
    counts |= {"undecided": end.not_converged, "diverged": end.diverged}
    for kind, count in counts.items():
        if count:
            yield kind, count / end.total


def _rank_colors(ranks: Sequence[int]) -> dict[int, tuple[float, float, float]]:
    return dict(zip(sorted(ranks), shades(len(ranks)), strict=True))


def _hatched(name: str) -> dict[str, Any]:
    return {"facecolor": PAPER, "edgecolor": FAINT, "hatch": _HATCHES[name]}


def _number(axes: Axes, at: tuple[float, float], number: int, *, on: tuple[float, float, float]) -> None:
    light = float(_LUMINANCE @ np.array(on)) > _DARK
    axes.text(*at, str(number), ha="center", va="center", fontsize=7.5, color=INK if light else PAPER)
