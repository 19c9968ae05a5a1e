"""The one look of all figures: palette, type sizes, tick labels, and the context that applies them."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, ParamSpec

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "INK",
    "PAPER",
    "RULE",
    "VERMILION",
    "frame",
    "log_if_wide",
    "log_ticks",
    "panels",
    "power_of_ten",
    "shades",
    "style",
    "styled",
    "whole_ticks",
]

INK: Final = "#1f2328"
FAINT: Final = "#59636e"
RULE: Final = "#d1d9e0"
PAPER: Final = "#ffffff"
# Okabe and Ito's palette, told apart by readers with any colour vision.
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREEN: Final = "#009e73"

_TICK_LABELS: Final = 8.5
_SETTINGS: Final[Any] = {  # matplotlib's type of the keys is private
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 6.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.07,
    "figure.dpi": 100.0,
    "figure.facecolor": PAPER,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "legend.borderaxespad": 0.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.labelcolor": INK,
    "lines.solid_capstyle": "butt",
    "savefig.dpi": "figure",
    "savefig.facecolor": "auto",
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

P = ParamSpec("P")


@contextmanager
def style() -> Iterator[None]:
    """Apply the look inside a ``with`` block; matplotlib's settings are as before when it ends."""
    with matplotlib.rc_context(_SETTINGS):
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function's figure in this look, with its layout computed once and fixed.

    Ticks are given the look explicitly, because matplotlib makes them when it draws, and by then the look may be gone.
    """

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            figure = draw(*args, **kwargs)
            for axes in figure.axes:
                axes.tick_params(which="both", color=FAINT, labelcolor=FAINT, labelsize=_TICK_LABELS)
            if layout := figure.get_layout_engine():
                layout.execute(figure)
            figure.set_layout_engine("none")
        return figure

    return drawn


def frame(axes: Axes, *, grid: str) -> None:
    """Faint grid lines across one axis ("x" or "y"), behind the data; no tick marks beside them."""
    axes.grid(axis=grid, color=RULE, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(axis=grid, length=0)  # type: ignore[arg-type]


def panels(count: int, *, margin: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure of so many small panels side by side, three in a row at most, and ``margin`` inches for a legend."""
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(3.4, 2.35 * columns) + margin, 0.3 + 2.3 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        frame(axes, grid="y")
    return figure, grid[:count]


def log_if_wide(axes: Axes, values: Float[np.ndarray, " _"]) -> None:
    """A logarithmic vertical axis where all of the values are positive and spread over more than a factor of 10."""
    shown = values[np.isfinite(values)]
    if shown.size and shown.min() > 0 and shown.max() > 10 * shown.min():
        axes.set_yscale("log")
        log_ticks(axes.yaxis, decades=float(np.log10(shown.max() / shown.min())))


def shades(count: int) -> list[tuple[float, float, float]]:
    """So many blues in order, from light to dark."""
    light, dark = np.array(to_rgb("#9ecae9")), np.array(to_rgb("#08306b"))
    return [tuple(light + share * (dark - light)) for share in np.linspace(0.0, 1.0, count)]


def log_ticks(axis: Axis, *, decades: float) -> None:
    """Label a logarithmic axis that spans so many decades: 1, 2 and 5 in each if few, else powers of ten.

    Sets only the ticks; the scale is the caller's.
    """
    if decades > 2.5:
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def power_of_ten(value: float) -> str:
    """A power of ten as text: plain from 1 to 1,000, with a superscript otherwise.

    >>> power_of_ten(1000.0), power_of_ten(1e-6)
    ('1,000', '10⁻⁶')
    """
    if 1 <= value <= 1000:
        return f"{value:,.0f}"
    exponent = f"{value:.0e}".partition("e")[2]
    return "10" + str(int(exponent)).translate(_SUPERSCRIPTS)


def whole_ticks(axes: Axes) -> None:
    """Ticks at whole numbers only, where all values are whole."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines])
    values = values[np.isfinite(values)]
    if axes.get_yscale() == "linear" and values.size and (values == np.round(values)).all():
        axes.set_ylim(values.min() - 1.0, values.max() + 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
