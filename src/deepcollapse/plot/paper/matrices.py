"""Matrices of class logits side by side, on one diverging scale, with the numbers in the cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.marks import PAGE, note, titles
from deepcollapse.plot.style import INK, PAPER, styled

__all__ = ["LogitMatrix", "colour_bar", "endpoints_figure", "matrix_panel"]

_MOST_NUMBERED = 12  # classes whose logits are written in the cells
_SMALL_TYPE = 5.5  # points, of the numbers of ten classes
_DARK = 0.55  # share of the scale beyond which a cell is dark


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitMatrix:
    """Class-mean logits of one run.

    Attributes:
        logits: K x K; rows: class whose logit, columns: class of the samples.
        name: what it is.
        about: a second line: rank, loss, seed.
    """

    logits: Float[np.ndarray, "K K"]
    name: str
    about: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.logits).all():
            raise InvalidInputError(
                f"{self.name}: expected finite logits, but found NaN or infinity; leave diverged runs out"
            )


@styled
def endpoints_figure(ends: Sequence[LogitMatrix], *, remarks: Sequence[str] = ()) -> Figure:
    """Class-mean logits of the ends of training side by side, on one diverging colour scale centred at 0.

    As in Figure 1 of arXiv 2410.23169. Up to 12 classes the logits are written in the cells, so that print without
    colour shows their signs.

    Args:
        ends: one to three matrices.
        remarks: sentences for the note below.

    Raises:
        InvalidInputError: no matrix, or more than three.
    """
    if not 1 <= len(ends) <= 3:
        raise InvalidInputError(f"ends: expected one to three matrices, but found {len(ends)}; choose some")
    figure = Figure(figsize=(PAGE, 0.95 + (PAGE - 0.9) / max(len(ends), 2)), layout="constrained")
    grid = list(figure.subplots(1, len(ends), squeeze=False).flat)
    limit = max(float(np.abs(end.logits).max()) for end in ends) or 1.0
    for index, (axes, end) in enumerate(zip(grid, ends, strict=True)):
        matrix_panel(axes, end, limit=limit)
        axes.set_xlabel("class of the sample")
        axes.set_ylabel("logit of class" if index == 0 else "")
    colour_bar(figure, grid)
    note(figure, " ".join(remarks))
    return figure


def matrix_panel(axes: Axes, matrix: LogitMatrix, *, limit: float, decimals: int = 1) -> None:
    """One matrix as a heat map from -limit (blue) to limit (red), numbers in the cells of a small one."""
    logits = matrix.logits
    axes.imshow(logits, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
    axes.spines[:].set_visible(True)
    axes.tick_params(length=0)
    titles(axes, matrix.name, matrix.about)
    if len(logits) > _MOST_NUMBERED:
        return
    axes.set_xticks(range(len(logits)))
    axes.set_yticks(range(len(logits)))
    if limit < 10.0**-decimals:  # all numbers would read 0
        return
    size = min(_SMALL_TYPE * 10 / len(logits), 8.5)
    for (row, column), value in np.ndenumerate(logits):
        color = PAPER if abs(value) > _DARK * limit else INK
        axes.text(
            column,
            row,
            _short(float(value), decimals),
            ha="center",
            va="center",
            fontsize=size,
            color=color,
            in_layout=False,
        )


def colour_bar(figure: Figure, panels: Sequence[Axes]) -> None:
    """The scale of the panels' heat maps, beside the last of them."""
    bar = figure.colorbar(
        panels[0].images[0], ax=list(panels), label="logit", ticks=MaxNLocator(7), shrink=0.9, aspect=28, pad=0.015
    )
    bar.outline.set_visible(False)  # type: ignore[operator]


def _short(value: float, decimals: int) -> str:
    """At most four letters, with a true minus sign; no decimals from ten on.

    >>> _short(-0.04, 1), _short(7.04, 1), _short(-20.4, 1), _short(-7.04, 0)
    ('0', '7.0', '−20', '−7')
    """
    text = f"{value:.{decimals if abs(value) < 9.95 else 0}f}"
    return "0" if float(text) == 0 else text.replace("-", "−")
