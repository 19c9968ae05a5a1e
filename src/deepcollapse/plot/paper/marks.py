"""What the figures for print share: column widths, marks that differ without colour, axes of powers of two, notes."""

import math
import textwrap
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from deepcollapse.plot.style import BLUE, FAINT, GREEN, INK, VERMILION, shades

__all__ = [
    "COLUMN",
    "MARKS",
    "PAGE",
    "Mark",
    "marks",
    "note",
    "power_of_two",
    "room_of",
    "step_axis",
    "titles",
    "two_axis",
    "width_axis",
]

COLUMN: Final = 3.25
"""Inches of one column of a two-column page."""

PAGE: Final = 6.75
"""Inches of both columns."""

_SMALL = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPTS = str.maketrans("-0123456789", _SMALL)
_MOST_TICKS = 7
_LETTERS_PER_INCH = 17  # of the small type of notes


@dataclass(frozen=True, slots=True)
class Mark:
    """How one of several curves is drawn: colour, dashes and marker all differ, so that grey print tells them apart."""

    color: str
    line: str | tuple[int, tuple[float, ...]]
    marker: str

    def style(self, *, size: float = 5.0) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` and ``Axes.errorbar``."""
        return {"color": self.color, "linestyle": self.line, "marker": self.marker, "markersize": size}


_LINES: Final = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS: Final = "os^DvP<X>"

MARKS: Final = tuple(map(Mark, (BLUE, VERMILION, GREEN, INK, FAINT), _LINES, _MARKERS))
"""Of up to five curves."""


def marks(count: int) -> tuple[Mark, ...]:
    """So many marks, all different: up to five the palette's colours, beyond that blues from light to dark.

    >>> [mark.marker for mark in marks(2)]
    ['o', 's']
    """
    if count <= len(MARKS):
        return MARKS[:count]
    looks = zip(shades(count), cycle(_LINES), cycle(_MARKERS), strict=False)
    return tuple(Mark(to_hex(color), line, marker) for color, line, marker in looks)


def power_of_two(value: float) -> str:
    """A number as a power of two if it is one, else in decimals.

    >>> power_of_two(2.0**-10), power_of_two(8.0), power_of_two(0.005)
    ('2⁻¹⁰', '2³', '0.005')
    """
    exponent = math.log2(value) if value > 0 else 0.5
    if exponent == round(exponent):
        return "2" + str(round(exponent)).translate(_SUPERSCRIPTS)
    return f"{value:.3g}"


def two_axis(axes: Axes, values: Float[np.ndarray, " n"]) -> None:
    """A logarithmic horizontal axis of base two over the values, with ticks at whole powers."""
    low, high = float(np.log2(values.min())), float(np.log2(values.max()))
    margin = max(0.05 * (high - low), 0.3)
    axes.set_xscale("log", base=2)
    axes.set_xlim(2.0 ** (low - margin), 2.0 ** (high + margin))
    whole = np.arange(math.ceil(low - margin), math.floor(high + margin) + 1)
    step = max(1, -(-whole.size // _MOST_TICKS))
    axes.xaxis.set_major_locator(FixedLocator((2.0 ** whole[::-step][::-1].astype(float)).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_two(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def width_axis(axes: Axes, values: Float[np.ndarray, " n"]) -> None:
    """A horizontal axis over widths, with ticks at them; logarithmic if they spread over more than a factor of 8."""
    widths = np.unique(values)
    low, high = float(widths[0]), float(widths[-1])
    if high > 8 * low:
        axes.set_xscale("log", base=2)
        axes.set_xlim(low / 1.25, high * 1.25)
    else:
        margin = 0.06 * (high - low) or 1.0
        axes.set_xlim(low - margin, high + margin)
    step = -(-widths.size // _MOST_TICKS)
    axes.xaxis.set_major_locator(FixedLocator(widths[::-step][::-1].tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def room_of(name: str) -> float:
    """Inches that a tick label and the space beside it need, roughly; superscripts are narrow.

    >>> room_of("2⁻¹⁰") < room_of("2-10")
    True
    """
    small = sum(letter in _SMALL for letter in name)
    return 0.075 * (len(name) - 0.4 * small + 1)


def step_axis(axes: Axes, steps: Int[np.ndarray, " T"]) -> None:
    """The horizontal axis of training: logarithmic above step one if more than half of the looks are early."""
    last = max(int(steps[-1]), 1)
    if np.mean(steps <= 0.1 * last) > 0.5 and last >= 10:
        axes.set_xscale("symlog", linthresh=1.0)
        powers = 10.0 ** np.arange(0, math.floor(math.log10(last)) + 1)
        axes.xaxis.set_major_locator(FixedLocator([0.0, *powers.tolist()]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0, last)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value < 1e4 else _thousands(value))
    )


def _thousands(value: float) -> str:
    return f"{value / 1000:,.0f}k"


def titles(axes: Axes, title: str, subtitle: str = "") -> None:
    """A title, and below it a line in small type."""
    axes.set_title(title, pad=17.0 if subtitle else 6.0)
    if subtitle:
        axes.annotate(
            subtitle,
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 5),
            textcoords="offset points",
            va="bottom",
            fontsize=7.5,
            color=FAINT,
        )


def note(figure: Figure, *sentences: str) -> None:
    """Sentences below all panels, in small type: how many runs there are, how many converged, what is left out."""
    fitting = int(figure.get_size_inches()[0] * _LETTERS_PER_INCH)
    text = "\n".join(textwrap.fill(sentence, fitting) for sentence in sentences if sentence)
    if text:
        figure.supxlabel(text, x=0.012, horizontalalignment="left", fontsize=7.5, color=FAINT, multialignment="left")
