"""A training run: objective and singular values over the steps."""

import math

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.style import BLUE, FAINT, GREEN, VERMILION, frame, log_ticks, styled

__all__ = ["trajectory_figure"]

Level = tuple[str, float, str, str]
"""Legend, loss, colour and line style of a horizontal line."""


@styled
def trajectory_figure(
    step: Int[np.ndarray, " T"],
    objective: Float[np.ndarray, " T"],
    singular_values: Float[np.ndarray, "T r"],
    *,
    bound: float | None,
    best: tuple[str, float] | None = None,
    train_error: Float[np.ndarray, " T"] | None = None,
) -> Figure:
    """Objective against the DNC bound (upper panel) and singular values of the class-mean logits (lower), over steps.

    Steps are on a logarithmic axis if more than half of the looks lie in the first tenth of the run.

    Args:
        step: steps at which the run was looked at, increasing.
        objective: regularised loss there.
        singular_values: of the class-mean logits there, one row per look. Zeros do not show: the axis is logarithmic.
        bound: the least loss that deep neural collapse reaches, None if it does not exist at this decay.
        best: name and loss of the best structure known.
        train_error: share of training samples classified wrongly; a line marks where it reaches zero for good.

    Raises:
        InvalidInputError: nothing recorded, or a loss that is not finite and positive.
    """
    levels = _levels(bound, best)
    _expect_trajectory(step, np.append(objective, [loss for _, loss, _, _ in levels]))
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    _objective(upper, step, objective, levels=levels)
    _singular_values(lower, step, singular_values)
    start = None if train_error is None else _terminal_start(train_error)
    if start is not None:
        for axes in (upper, lower):
            axes.axvline(step[start], color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))
        upper.annotate(
            "training error 0 from here",
            (step[start], 1.0),
            xycoords=upper.get_xaxis_transform(),
            xytext=(4, -2),
            textcoords="offset points",
            va="top",
            color=FAINT,
            fontsize=8.5,
        )
    upper.legend(loc="lower right", bbox_to_anchor=(1.0, 1.02), ncols=3, borderpad=0.0, columnspacing=1.4)
    lower.set_xlabel("step")
    if np.mean(step <= 0.1 * step[-1]) > 0.5:  # looks crowd at the start
        lower.set_xscale("symlog", linthresh=1.0)
        lower.set_xlim(0, step[-1])
        lower.xaxis.set_minor_locator(NullLocator())
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure


def _levels(bound: float | None, best: tuple[str, float] | None) -> list[Level]:
    collapse = [] if bound is None else [(f"DNC bound {bound:.4g}", bound, VERMILION, "--")]
    known = [] if best is None else [(f"{best[0]} {best[1]:.4g}", best[1], GREEN, ":")]
    return collapse + known


def _objective(axes: Axes, step: np.ndarray, objective: np.ndarray, *, levels: list[Level]) -> None:
    frame(axes, grid="y")
    axes.plot(step, objective, color=BLUE, linewidth=1.8, label="objective")
    for text, loss, color, line in levels:
        axes.axhline(loss, color=color, linewidth=1.4, linestyle=line, label=text)
    axes.set_ylabel("regularised loss F")
    shown = np.append(objective, [loss for _, loss, _, _ in levels])
    if shown.max() > 5 * shown.min():
        axes.set_yscale("log")
        log_ticks(axes.yaxis, decades=math.log10(shown.max() / shown.min()))


def _singular_values(axes: Axes, step: np.ndarray, values: np.ndarray) -> None:
    frame(axes, grid="y")
    ordered = np.sort(values, axis=1)[:, ::-1]
    axes.plot(step, np.where(ordered > 0, ordered, np.nan), color=BLUE, linewidth=1.2, alpha=0.8)
    axes.set_ylabel("singular value")
    positive = ordered[ordered > 0]
    if positive.size:
        axes.set_yscale("log")
        axes.set_ylim(positive.min() / 1.5, positive.max() * 1.5)
        log_ticks(axes.yaxis, decades=math.log10(positive.max() / positive.min() * 2.25))


def _terminal_start(train_error: Float[np.ndarray, " T"]) -> int | None:
    """First index from which the training error stays zero, None if it does not end at zero."""
    wrong = np.flatnonzero(train_error > 0)
    start = int(wrong[-1]) + 1 if wrong.size else 0
    return start if start < train_error.size else None


def _expect_trajectory(step: np.ndarray, losses: np.ndarray) -> None:
    if not step.size:
        raise InvalidInputError("trajectory: expected at least one step, but found none; record the run")
    if not (np.isfinite(losses).all() and (losses > 0).all()):
        raise InvalidInputError(
            "trajectory: expected finite losses > 0, but found one that is not; cut the run where it diverged"
        )
