"""The figures of the paper, from a store of this software's own runs: what each needs, shows and says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper.dimension import dimension_figure
from deepcollapse.plot.paper.ends import Curve
from deepcollapse.plot.paper.ensembles import (
    dimension_ratio,
    endpoints,
    most_common_model,
    problem_of,
    relu_runs,
    sweep_curves,
)
from deepcollapse.plot.paper.matrices import endpoints_figure
from deepcollapse.plot.paper.networks import networks_figure, standard_decay_figure
from deepcollapse.plot.paper.planned import MissingRunsError, PlannedRuns, planned_runs, plans_to_draw
from deepcollapse.plot.paper.relu import relu_figure
from deepcollapse.plot.paper.settings import MODEL, SIMULATION, TRAINING, shared
from deepcollapse.plot.paper.sweeps import decay_figure, width_figure
from deepcollapse.plot.paper.trained import network_runs
from deepcollapse.store import PlanRecord, Store
from deepcollapse.theory import fitting_collapse
from deepcollapse.ufm.relu_networks import relu_networks

__all__ = ["NUMBERS", "PaperFigure", "SkippedFigure", "paper_figures"]

_MOST_CURVES = 8
_COLUMNS, _ROWS = 3, 2  # settings of networks in one figure
_UNSAID = ("decays", "tolerance", "steps_max", "dtype", "device")
_SOURCE = "Data of deepcollapse's own runs; arXiv 2410.23169 published none."


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFigure:
    """A figure that could be drawn.

    Attributes:
        number: that of the paper's figure it stands beside, or the claim's.
        caption: what it shows, at which settings, whose data.
        plan: whose runs it shows.
        parts: of the plan, that its runs belong to.
        runs: ids of the runs shown or counted.
        figure: the drawing.
    """

    number: str
    caption: str
    plan: str
    parts: tuple[str, ...]
    runs: tuple[str, ...]
    figure: Figure

    @property
    def name(self) -> str:
        """Of its files, without ending."""
        return f"figure-{self.number}"

    @property
    def title(self) -> str:
        """What it is called over its caption: "Figure 2" as in the paper, "Figure of claim T5" where that has none."""
        return f"Figure {'' if self.number[0].isdigit() else 'of claim '}{self.number}"

    def as_json(self) -> dict[str, object]:
        """All but the drawing, in plain types."""
        return {
            "figure": self.number,
            "caption": self.caption,
            "plan": self.plan,
            "parts": list(self.parts),
            "runs": list(self.runs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFigure:
    """A figure that could not be drawn.

    Attributes:
        number: as in ``PaperFigure``.
        parts: of the plan, that its runs belong to.
        reason: what is missing, and the command that makes it.
    """

    number: str
    parts: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """Of the files that it does not have, without ending."""
        return f"figure-{self.number}"

    def as_json(self) -> dict[str, object]:
        """In plain types."""
        return {"figure": self.number, "parts": list(self.parts), "reason": self.reason}


def paper_figures(
    store: Store,
    *,
    only: Sequence[str] | None = None,
    plan: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PaperFigure | SkippedFigure, ...]:
    """All figures, or some, in the order of ``NUMBERS``; those whose runs are missing are skipped with the reason.

    Args:
        store: of the runs.
        only: numbers; None for all.
        plan: whose runs to take; by default each figure takes those of the first plan that has some (see
            ``plans_to_draw``).
        progress: called with the figures looked at and how many there are.

    Raises:
        InvalidInputError: an unknown number or plan.
        MissingRunsError: no plan at all.
    """
    wanted = NUMBERS if only is None else tuple(only)
    if strange := [number for number in wanted if number not in _ENTRIES]:
        raise InvalidInputError(
            f"figure: expected some of {', '.join(NUMBERS)}, but found {', '.join(strange)}; choose from these"
        )
    plans = plans_to_draw(store, plan)
    found: list[PaperFigure | SkippedFigure] = []
    for number in (number for number in NUMBERS if number in wanted):
        found.append(_drawn(number, store, plans))
        if progress:
            progress(len(found), len(wanted))
    return tuple(found)


def _drawn(number: str, store: Store, plans: Sequence[PlanRecord]) -> PaperFigure | SkippedFigure:
    """The figure from the first plan that has its runs; else what the first plan lacks."""
    entry = _ENTRIES[number]
    reasons = []
    for plan in plans:
        try:
            runs = planned_runs(store, plan, entry.parts).only(**entry.columns)
            figure = entry.draw(runs)
        except MissingRunsError as error:
            reasons.append(str(error))
            continue
        caption = f"{entry.caption} {_settings(runs)}. {_SOURCE}"
        return PaperFigure(
            number=number, caption=caption, plan=plan.name, parts=entry.parts, runs=runs.ids, figure=figure
        )
    return SkippedFigure(number=number, parts=entry.parts, reason=reasons[0])


@dataclass(frozen=True, slots=True)
class _Entry:
    """Parts, the columns that its rows must have, drawing and caption of a figure."""

    parts: tuple[str, ...]
    columns: Mapping[str, object]
    draw: Callable[[PlannedRuns], Figure]
    caption: str


def _settings(runs: PlannedRuns) -> str:
    """What all runs have in common, and for training what each part has besides."""
    columns = (*MODEL, *SIMULATION) if runs.rows[0]["kind"] == "simulate" else TRAINING
    said = [name for name in dict.fromkeys(columns) if name not in _UNSAID]
    words = shared(runs.rows, said)
    if runs.rows[0]["kind"] == "simulate":
        return f"Settings of all its runs: {words}"
    common = set(words.split(", "))
    parts: dict[str, list[Mapping[str, object]]] = {}
    for row in runs.rows:
        parts.setdefault(row["part"], []).append(row)
    own = {part: [w for w in shared(rows, said).split(", ") if w not in common] for part, rows in parts.items()}
    listed = "".join(f"; {part}: {', '.join(words)}" for part, words in sorted(own.items()) if words)
    return f"Settings of all its runs: {words}{listed}"


def _remarks(*sentences: str) -> list[str]:
    return [sentence for sentence in sentences if sentence]


def _shown(curves: Sequence[Curve]) -> tuple[Sequence[Curve], str]:
    left_out = curves[_MOST_CURVES:]
    names = "; ".join(curve.label for curve in left_out)
    return curves[:_MOST_CURVES], f"Not shown: {names}." if left_out else ""


def _endpoints(runs: PlannedRuns) -> Figure:
    matrices, sentence = endpoints(runs)
    return endpoints_figure(matrices, remarks=_remarks(sentence, runs.remark))


def _widths(runs: PlannedRuns) -> Figure:
    curves, left_out = _shown(sweep_curves(runs.rows, "width"))
    return width_figure(curves, remarks=_remarks(left_out, runs.remark))


def _decays(runs: PlannedRuns) -> Figure:
    curves, left_out = _shown(sweep_curves(runs.rows, "decay"))
    return decay_figure(curves, remarks=_remarks(left_out, runs.remark))


def _networks(runs: PlannedRuns) -> Figure:
    columns, left_out = network_runs(runs, most=_COLUMNS)
    return networks_figure(columns, remarks=_remarks(left_out, runs.remark))


def _standard_decay(runs: PlannedRuns) -> Figure:
    rows, left_out = network_runs(runs, most=_ROWS)
    return standard_decay_figure(rows, remarks=_remarks(left_out, runs.remark))


def _relu(runs: PlannedRuns) -> Figure:
    rows, left_out = most_common_model(runs.rows)
    problem = problem_of(rows[0])
    bound = fitting_collapse(problem.replace(activation="linear"))
    return relu_figure(
        relu_runs(rows),
        bound=None if bound is None else bound.loss,
        networks={network.name: network.loss for network in relu_networks(problem)},
        remarks=_remarks(left_out, runs.remark),
    )


def _dimension(runs: PlannedRuns) -> Figure:
    rows = runs.rows
    curves, left_out = _shown(sweep_curves(rows, "width"))
    widths = [row["width"] for row in rows]
    ratio = dimension_ratio(problem_of(rows[0]), least=min(widths), most=max(widths))
    return dimension_figure(curves, ratio, remarks=_remarks(left_out, runs.remark))


_LINEAR = {"kind": "simulate", "activation": "linear"}

_ENTRIES: Final[Mapping[str, _Entry]] = {
    "1": _Entry(
        ("E1",),
        _LINEAR,
        _endpoints,
        "Class-mean logits at two ends of gradient descent on the deep linear feature model, one from a run that ended "
        "at deep neural collapse (a simplex) and one of low rank; classes are put in the structure's order. As in the "
        "paper's Figure 1.",
    ),
    "2": _Entry(
        ("E2",),
        _LINEAR,
        _widths,
        "How often gradient descent on the deep linear feature model ends at deep neural collapse (DNC), against the "
        "width, with 95% Wilson intervals (dotted where runs are undecided), and the ranks of the logits at the ends; "
        "undecided runs are hatched. As in the paper's Figure 2.",
    ),
    "3": _Entry(
        ("E4", "E5"),
        {"kind": "train", "activation": "linear", "decay_kind": "ufm"},
        _networks,
        "Networks with a deep linear head: objective during training against the DNC bound and the best point "
        "known (above), and singular values of the class-mean logits (below; full lines end above a thousandth of the "
        "largest, the dotted level is 1e-6). As in the paper's Figure 3.",
    ),
    "4": _Entry(
        ("E6",),
        {"kind": "train", "decay_kind": "standard"},
        _standard_decay,
        "Networks under standard weight decay: singular values of the class-mean logits during training, and the "
        "logits at the end beside a simplex of the same norm, column means removed. As in the paper's Figure 4.",
    ),
    "5": _Entry(
        ("E3",),
        _LINEAR,
        _decays,
        "As Figure 2, against the weight decay, and the losses at the ends over that of DNC at the same decay. As in "
        "the paper's Figure 5.",
    ),
    "6": _Entry(
        ("E7",),
        {"kind": "simulate", "activation": "relu"},
        _relu,
        "Gradient descent on the deep ReLU feature model: share of runs that end at or below a loss, against the loss "
        "of linear DNC (a lower bound of ReLU DNC) and those of explicit ReLU networks of low rank, and the ranks at "
        "the ends. As in the paper's Figure 6.",
    ),
    "6b": _Entry(
        ("E7",),
        {"kind": "train", "activation": "relu", "decay_kind": "ufm"},
        _networks,
        "As Figure 3, with deep ReLU heads; the bound is that of linear DNC, which ReLU DNC cannot undercut.",
    ),
    "T5": _Entry(
        ("E2",),
        _LINEAR,
        _dimension,
        "The measured rate of DNC against the width (as in Figure 2) beside R(d), the dimension of the set of "
        "collapsed solutions over that of low rank, by the paper's count and by the exact one.",
    ),
}

NUMBERS: Final = tuple(_ENTRIES)
"""Numbers of the figures, those of the paper's first."""
