"""Heat maps of class logits."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.style import styled
from deepcollapse.ufm import Structure

__all__ = ["logits_figure"]

_COLUMNS = 4
_MOST_LABELLED = 12  # classes that get a tick label each


@styled
def logits_figure(
    panels: Sequence[Structure | Float[np.ndarray, "_ _"]],
    titles: Sequence[str] | None = None,
    *,
    panel_inches: float = 2.6,
) -> Figure:
    """Class logits side by side, on one diverging colour scale centred at 0.

    Column k of a panel is the logits of class k's samples (for a network: their mean).

    Args:
        panels: structures, or matrices of class logits (K x K, K may differ between panels).
        titles: one per panel; by default name and rank of a structure, nothing for a matrix.
        panel_inches: side of a panel.

    Raises:
        InvalidInputError: no panel, another number of titles than panels, or entries that are not finite.

    >>> len(logits_figure([np.eye(3), -np.eye(3)], ["eye", "minus eye"]).axes)  # two panels, one colour bar
    3
    """
    matrices = [_matrix(panel) for panel in panels]
    names = [_title(panel) for panel in panels] if titles is None else list(titles)
    _expect_panels(matrices, names)
    columns = min(len(matrices), _COLUMNS)
    rows = math.ceil(len(matrices) / columns)
    size = (columns * panel_inches + 0.5, rows * (panel_inches + 0.1))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    limit = max(float(np.abs(matrix).max()) for matrix in matrices) or 1.0
    for axes in grid.flat[len(matrices) :]:
        axes.remove()
    used = list(grid.flat[: len(matrices)])
    images = [_heat_map(axes, matrix, limit=limit) for axes, matrix in zip(used, matrices, strict=True)]
    for axes, name in zip(used, names, strict=True):
        axes.set_title(name)
    for index, axes in enumerate(used):
        axes.set_xlabel("class of the sample" if index + columns >= len(used) else "")
        axes.set_ylabel("logit of class" if index % columns == 0 else "")
    bar = figure.colorbar(images[0], ax=used, label="logit", ticks=MaxNLocator(7), shrink=0.9, aspect=24)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _heat_map(axes: Axes, matrix: Float[np.ndarray, "K K"], *, limit: float) -> AxesImage:
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
    axes.spines[:].set_visible(True)
    axes.tick_params(length=0)
    if len(matrix) <= _MOST_LABELLED:
        axes.set_xticks(range(len(matrix)))
        axes.set_yticks(range(len(matrix)))
    return image


def _matrix(panel: Structure | np.ndarray) -> Float[np.ndarray, "_ _"]:
    return panel.logits if isinstance(panel, Structure) else panel


def _title(panel: Structure | np.ndarray) -> str:
    return f"{panel.name}, rank {panel.rank}" if isinstance(panel, Structure) else ""


def _expect_panels(matrices: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    if not matrices:
        raise InvalidInputError("panels: expected at least one, but found none; give structures or matrices")
    if len(titles) != len(matrices):
        raise InvalidInputError(
            f"titles: expected {len(matrices)}, one per panel, but found {len(titles)}; add or drop some"
        )
    for index, matrix in enumerate(matrices):
        if not np.isfinite(matrix).all():
            raise InvalidInputError(
                f"panels: expected finite logits, but found NaN or infinity in panel {index}; remove them"
            )
