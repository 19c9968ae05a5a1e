"""Levels of loss: structures, endpoints of training, and the bound of deep neural collapse."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.labels import spread_out
from deepcollapse.plot.style import BLUE, FAINT, INK, VERMILION, styled

__all__ = ["losses_figure"]

_WIDTH = 6.2  # inches, as the margins below
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.85, 0.15, 0.3, 0.55
_LINE = 0.2  # inches from one label to the next
_PILES = 50  # endpoints closer than the axis' length over this are one bar
_BARS, _TICKS, _LEADER, _DIGIT = 0.3, 0.15, 0.05, 0.0155  # widths, as shares of the axes


@styled
def losses_figure(
    levels: Mapping[str, float],
    endpoints: Float[np.ndarray, " S"] | None = None,
    *,
    bound: float | None,
) -> Figure:
    """Losses of structures as named levels against the DNC bound, beside a histogram of the endpoints' losses.

    The axis runs from the least loss to as far above the bound as the least loss is below it, or further to hold half
    of the endpoints; without a bound to the highest level. A line of text names what lies above.

    Args:
        levels: name -> loss F.
        endpoints: loss at the end of each run.
        bound: the least loss that deep neural collapse reaches, None if it does not exist at this decay.

    Raises:
        InvalidInputError: no level, or a loss that is not finite.
    """
    runs = np.zeros(0) if endpoints is None else endpoints
    marks = np.array([*levels.values(), *([] if bound is None else [bound])])
    _expect_losses(levels, np.concatenate([marks, runs]))
    low, high = _range(marks, runs, bound)
    shown = {name: loss for name, loss in levels.items() if loss <= high}
    height = max(2.9, _LINE * (len(shown) + 3)) + _TOP + _BOTTOM
    figure = Figure(figsize=(_WIDTH, height))
    edges = [_LEFT / _WIDTH, _BOTTOM / height, 1 - (_LEFT + _RIGHT) / _WIDTH, 1 - (_TOP + _BOTTOM) / height]
    axes = figure.add_axes((edges[0], edges[1], edges[2], edges[3]))
    axes.set_ylim(low, high)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylabel("regularised loss F")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    start = _histogram(axes, runs[runs <= high], span=(high - low) / _PILES) if endpoints is not None else 0.0
    _levels(axes, shown, start=start, bound=bound, gap=_LINE * (high - low) / (height - _TOP - _BOTTOM))
    figure.text(edges[0], 1 - 0.07 / height, _beyond(levels, runs, high), va="top", color=FAINT, fontsize=8.5)
    return figure


def _range(marks: Float[np.ndarray, " n"], runs: Float[np.ndarray, " S"], bound: float | None) -> tuple[float, float]:
    low = float(min(marks.min(), runs.min(initial=np.inf)))
    top = float(marks.max()) if bound is None else bound + (bound - low)
    high = max(top, float(np.median(runs)) if runs.size else top, low + 0.05 * abs(low), low + 1e-12)
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _histogram(axes: Axes, runs: Float[np.ndarray, " S"], *, span: float) -> float:
    """Bars at the losses where runs end, growing to the right; returns where the levels begin."""
    means, counts = _piles(np.sort(runs), span)
    most = max(counts, default=1)
    axes.barh(means, [_BARS * count / most for count in counts], height=0.8 * span, color=BLUE, alpha=0.75)
    axes.set_xticks([0.0, _BARS], ["0", f"{most:,}"])
    axes.tick_params(axis="x", length=3)
    axes.set_xlabel("runs that end here", loc="left")
    return _BARS + 0.03


def _piles(runs: Float[np.ndarray, " S"], span: float) -> tuple[list[float], list[int]]:
    """Mean and size of groups of neighbours: each group begins at the first loss not within a span of the last one."""
    means, counts = [], []
    while runs.size:
        count = int(np.searchsorted(runs, runs[0] + span, side="right"))
        means.append(float(runs[:count].mean()))
        counts.append(count)
        runs = runs[count:]
    return means, counts


def _levels(axes: Axes, levels: Mapping[str, float], *, start: float, bound: float | None, gap: float) -> None:
    """A tick per level, its loss and name beside it, moved up or down where they would touch."""
    collapse = [] if bound is None else [(bound, "")]
    lines = sorted([*collapse, *((loss, name) for name, loss in levels.items())])
    heights = np.array([loss for loss, _ in lines])
    low, high = axes.get_ylim()
    places = spread_out(heights, gap, low=low + gap / 2, high=high - gap / 2)
    elbow = start + _TICKS
    decimals = min(max(4 - math.floor(math.log10(high - low)), 2), 9)
    for (loss, name), place in zip(lines, places, strict=True):
        color, faint = (INK, FAINT) if name else (VERMILION, VERMILION)
        dash, begin = ("solid", start) if name else ((0, (5, 2)), 0.0)
        axes.plot([begin, elbow], [loss, loss], color=color, linewidth=1.5, linestyle=dash)
        axes.plot([elbow, elbow + _LEADER], [loss, place], color=faint, linewidth=0.6)
        text = f"{loss:.{decimals}f}"
        axes.text(elbow + _LEADER + 0.01, place, text, va="center", color=faint)
        beside = elbow + _LEADER + 0.025 + _DIGIT * len(text)
        weight = "normal" if name else "bold"
        axes.text(beside, place, name or "DNC bound", va="center", color=color, fontweight=weight)


def _beyond(levels: Mapping[str, float], runs: Float[np.ndarray, " S"], high: float) -> str:
    """What lies above the axis, in words."""
    parts = [f"{name} {loss:.4g}" for name, loss in sorted(levels.items(), key=lambda item: item[1]) if loss > high]
    if count := int((runs > high).sum()):
        parts.append(f"{count} endpoint{'s' if count > 1 else ''} up to {runs.max():.4g}")
    return f"above this range: {', '.join(parts)}" if parts else ""


def _expect_losses(levels: Mapping[str, float], losses: Float[np.ndarray, " _"]) -> None:
    if not levels:
        raise InvalidInputError("levels: expected at least one, but found none; give name: loss")
    if not np.isfinite(losses).all():
        raise InvalidInputError("losses: expected finite numbers, but found NaN or infinity; leave diverged runs out")
