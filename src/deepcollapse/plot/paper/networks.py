"""Figures of trained networks: objective and singular values during training, and the logits they end at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.marks import PAGE, note, step_axis, titles
from deepcollapse.plot.paper.matrices import LogitMatrix, colour_bar, matrix_panel
from deepcollapse.plot.style import BLUE, FAINT, GREEN, VERMILION, frame, log_ticks, styled

__all__ = ["NetworkRun", "NetworkRuns", "networks_figure", "standard_decay_figure"]

PAPER_TOLERANCE = 1e-6  # above which arXiv 2410.23169 counts a singular value
SCALE_FREE_TOLERANCE = 1e-3  # of the largest, as in networks.verdict

_MOST_COLUMNS = 3
_LOWEST = 1e-10  # where the axis of singular values ends


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRun:
    """One training run.

    Attributes:
        seed: of the run.
        converged: whether training met its stopping rule.
        steps: updates done at each look.
        objective: F at each look.
        singular_values: of the K x K class-mean logits at each look, non-increasing.
        logits: class means at the end.
        rank: singular values at the end above 1e-3 of the largest.
        rank_paper: singular values at the end above 1e-6.
    """

    seed: int
    converged: bool
    steps: Int[np.ndarray, " T"]
    objective: Float[np.ndarray, " T"]
    singular_values: Float[np.ndarray, "T K"]
    logits: Float[np.ndarray, "K K"] | None
    rank: int
    rank_paper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRuns:
    """Runs of one setting that differ by their seed only.

    Attributes:
        name: data set and backbone.
        runs: at least one; singular values and logits are shown of the first.
        bound: the least loss of deep neural collapse at these decays; None where there is none.
        exact: whether the bound is that of the model trained, not of a balanced one standing for it.
        best: loss of the best point known.
    """

    name: str
    runs: Sequence[NetworkRun]
    bound: float | None
    exact: bool = True
    best: float | None = None

    def __post_init__(self) -> None:
        if not self.runs or not all(run.steps.size for run in self.runs):
            raise InvalidInputError(f"{self.name}: expected runs with looks at them, but found none; train one")
        for run in self.runs:
            if not (np.isfinite(run.objective).all() and (run.objective > 0).all()):
                raise InvalidInputError(
                    f"{self.name}: expected finite objectives > 0, but found one that is not in seed {run.seed}; "
                    "leave diverged runs out"
                )


@styled
def networks_figure(columns: Sequence[NetworkRuns], *, remarks: Sequence[str] = ()) -> Figure:
    """Objective against the DNC bound, and singular values of the class-mean logits, during training; one column each.

    As in Figure 3 of arXiv 2410.23169. Above, every run has a line, the first seed the thick one; below, the first
    seed's singular values: full lines end above 1e-3 of the largest, dashed ones below it; the dotted level is the
    paper's threshold 1e-6.

    Args:
        columns: one to three settings.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no setting, or more than three.
    """
    if not 1 <= len(columns) <= _MOST_COLUMNS:
        raise InvalidInputError(
            f"columns: expected one to {_MOST_COLUMNS} settings, but found {len(columns)}; choose some"
        )
    figure = Figure(figsize=(PAGE, 4.9), layout="constrained")
    grid = figure.subplots(2, len(columns), squeeze=False, sharex="col")
    for index, runs in enumerate(columns):
        upper, lower = grid[:, index]
        _objectives(upper, runs)
        _singular_values(lower, runs.runs[0])
        titles(upper, runs.name, _levels(runs))
        titles(lower, "", _ends(runs))
        lower.set_xlabel("step")
        step_axis(lower, max((run.steps for run in runs.runs), key=lambda steps: int(steps[-1])))
    grid[0, 0].set_ylabel("objective")
    grid[1, 0].set_ylabel("singular value of\nclass-mean logits")
    _align(list(grid[1]))
    handles = {label: line for axes in grid[0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=len(handles), handlelength=2.6)
    note(figure, " ".join((networks_counted(columns), *remarks)))
    return figure


@styled
def standard_decay_figure(rows: Sequence[NetworkRuns], *, remarks: Sequence[str] = ()) -> Figure:
    """Networks under standard weight decay: singular values during training, logits at the end, a simplex beside them.

    As in Figure 4 of arXiv 2410.23169; one row per setting, of which the first seed is shown. Column means, which no
    softmax sees, are removed from the logits; the simplex has the same Frobenius norm.

    Args:
        rows: one to three settings.
        remarks: sentences for the note below, beside the number of runs.

    Raises:
        InvalidInputError: no setting, more than three, or one whose first run has no logits.
    """
    if not 1 <= len(rows) <= 3:
        raise InvalidInputError(f"rows: expected one to three settings, but found {len(rows)}; choose some")
    figure = Figure(figsize=(PAGE, 0.35 + 2.35 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for index, (runs, panels) in enumerate(zip(rows, grid, strict=True)):
        last = index == len(rows) - 1
        _singular_values(panels[0], runs.runs[0])
        titles(panels[0], runs.name, _ends(runs))
        panels[0].set_ylabel("singular value")
        panels[0].set_xlabel("step" if last else "")
        step_axis(panels[0], runs.runs[0].steps)
        _beside_simplex(list(panels[1:]), runs)
        for axes in panels[1:]:
            axes.set_xlabel("class of the sample" if last else "")
        colour_bar(figure, list(panels[1:]))
    note(figure, " ".join((networks_counted(rows), *remarks)))
    return figure


def networks_counted(settings: Sequence[NetworkRuns]) -> str:
    """How many runs a figure shows and how many of them met their stopping rule, as a sentence."""
    runs = [run for setting in settings for run in setting.runs]
    converged = sum(run.converged for run in runs)
    slow = f", {len(runs) - converged} still moved at the horizon" if converged < len(runs) else ""
    return f"{len(runs)} run{'s' * (len(runs) != 1)}: {converged} converged{slow}."


def _objectives(axes: Axes, runs: NetworkRuns) -> None:
    frame(axes, grid="y")
    for index, run in reversed(list(enumerate(runs.runs))):
        first = index == 0
        axes.plot(
            run.steps,
            run.objective,
            color=BLUE,
            linewidth=1.8 if first else 0.8,
            alpha=1.0 if first else 0.6,
            label="objective" if first else "_",
        )
    shown = [run.objective for run in runs.runs]
    if runs.bound is not None:
        axes.axhline(runs.bound, color=VERMILION, linewidth=1.4, linestyle=(0, (5, 2)), label="DNC bound")
        shown.append(np.array([runs.bound]))
    if runs.best is not None:
        axes.axhline(runs.best, color=GREEN, linewidth=1.4, linestyle=(0, (1, 1.5)), label="best point known")
        shown.append(np.array([runs.best]))
    axes.set_yscale("log")
    losses = np.concatenate(shown)
    log_ticks(axes.yaxis, decades=math.log10(losses.max() / losses.min()))


def _singular_values(axes: Axes, run: NetworkRun) -> None:
    frame(axes, grid="y")
    ordered = np.sort(run.singular_values, axis=1)[:, ::-1]
    stays = ordered[-1] > SCALE_FREE_TOLERANCE * ordered[-1].max()
    for values, kept in zip(np.where(ordered > 0, ordered, np.nan).T, stays, strict=True):
        color, line = (BLUE, "-") if kept else (FAINT, (0, (4, 2)))
        axes.plot(run.steps, values, color=color, linestyle=line, linewidth=1.4 if kept else 0.9)
    axes.axhline(PAPER_TOLERANCE, color=FAINT, linewidth=1.0, linestyle=(0, (1, 2)))
    positive = ordered[ordered > 0]
    low = max(min(PAPER_TOLERANCE, positive.min(initial=PAPER_TOLERANCE)) / 3, _LOWEST)
    high = 3 * max(positive.max(initial=1.0), 1.0)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, decades=math.log10(high / low))


def _align(panels: Sequence[Axes]) -> None:
    """One vertical range for panels side by side."""
    ranges = [axes.get_ylim() for axes in panels]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    for index, axes in enumerate(panels):
        axes.set_ylim(low, high)
        log_ticks(axes.yaxis, decades=math.log10(high / low))
        axes.tick_params(labelleft=index == 0)


def _beside_simplex(panels: Sequence[Axes], runs: NetworkRuns) -> None:
    logits = runs.runs[0].logits
    if logits is None:
        raise InvalidInputError(f"{runs.name}: expected logits of the first run, but found none; run it again")
    centred = logits - logits.mean(axis=0)
    simplex = np.eye(len(logits)) - 1.0 / len(logits)
    simplex *= np.linalg.norm(centred) / np.linalg.norm(simplex)
    limit = float(max(np.abs(centred).max(), np.abs(simplex).max())) or 1.0
    apart = np.linalg.norm(centred - simplex) / (np.linalg.norm(simplex) or 1.0)
    found = LogitMatrix(logits=centred, name="Class-mean logits", about=f"distance {apart:.2f} from the simplex")
    ideal = LogitMatrix(logits=simplex, name="Simplex", about="of the same norm")
    for axes, matrix in zip(panels, (found, ideal), strict=True):
        matrix_panel(axes, matrix, limit=limit, decimals=0)
    panels[0].set_ylabel("logit of class")


def _ends(runs: NetworkRuns) -> str:
    """Seed shown, and the ranks that all runs end at."""
    first, ranks = runs.runs[0], [run.rank for run in runs.runs]
    if len(ranks) == 1:
        return f"seed {first.seed}: rank {first.rank}; {first.rank_paper} above 10⁻⁶"
    span = f"{min(ranks)}" if min(ranks) == max(ranks) else f"{min(ranks)} to {max(ranks)}"
    return f"seed {first.seed}: rank {first.rank}; {len(ranks)} seeds: {span}"


def _levels(runs: NetworkRuns) -> str:
    """Bound and best loss, in numbers."""
    estimate = "" if runs.exact else ", an estimate"
    bound = "no DNC bound" if runs.bound is None else f"DNC {runs.bound:.4g}{estimate}"
    return bound if runs.best is None else f"{bound}; best {runs.best:.4f}"
