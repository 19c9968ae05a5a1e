"""From the rows of simulated runs to what the figures of ensembles draw."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from deepcollapse.plot.paper.dimension import DimensionRatio
from deepcollapse.plot.paper.ends import Curve, Ends
from deepcollapse.plot.paper.matrices import LogitMatrix
from deepcollapse.plot.paper.planned import MissingRunsError, PlannedRuns
from deepcollapse.plot.paper.relu import ReluRuns
from deepcollapse.plot.paper.settings import MODEL, SIMULATION, grouped, told_apart
from deepcollapse.simulate import DECIDED
from deepcollapse.simulate.classify import LOGITS_RTOL, nameable
from deepcollapse.theory import dimension_counts, lowest_rival
from deepcollapse.ufm import Problem
from deepcollapse.ufm.permutation import aligned

__all__ = ["dimension_ratio", "endpoints", "ends", "most_common_model", "problem_of", "relu_runs", "sweep_curves"]

Row = Mapping[str, Any]

_WIDTHS = 400  # at which the ratio of dimensions is drawn


def problem_of(row: Row) -> Problem:
    """The feature model of a row; samples of classes that differ in size are not in it, and are taken as one."""
    return Problem(
        classes=row["classes"],
        layers=row["layers"],
        samples=row["samples"] or 1,
        width=row["width"],
        decay=tuple(row["decays"]) if row["decays"] else row["decay"],
        loss=row["loss_function"],
        activation=row["activation"],
    )


def most_common_model(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """The rows of the feature model that most rows have (of several the first), and a sentence on those left out."""
    models = [tuple(repr(row[column]) for column in MODEL) for row in rows]
    chosen, count = Counter(models).most_common(1)[0]
    others = len(rows) - count
    kept = [row for row, model in zip(rows, models, strict=True) if model == chosen]
    return kept, f"{others} runs of other sizes are not shown." if others else ""


def ends(rows: Iterable[Row]) -> Ends:
    """Rows counted by how the runs ended."""
    rows = list(rows)
    decided, diverged = _decided(rows), sum(row["status"] == "diverged" for row in rows)
    return Ends(
        collapsed=sum(row["structure"] == "dnc" for row in decided),
        ranks=dict(sorted(Counter(row["rank"] for row in decided).items())),
        not_converged=len(rows) - len(decided) - diverged,
        diverged=diverged,
    )


def _decided(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["status"] in DECIDED]


def sweep_curves(rows: Sequence[Row], along: str) -> list[Curve]:
    """One curve per setting that is told apart at the same place, with counts and losses at every place.

    Args:
        rows: of simulated runs.
        along: the column of the horizontal axis, "width" or "decay".
    """
    return [_curve(label, group, along) for label, group in grouped(rows, told_apart(rows, SIMULATION, along=along))]


def _curve(label: str, rows: Sequence[Row], along: str) -> Curve:
    places = sorted({row[along] for row in rows})
    decided = _decided(rows)
    bounded = [row for row in decided if row["dnc_loss"]]
    known = {row[along]: row["best_structure_loss"] / row["dnc_loss"] for row in rows if row["dnc_loss"]}
    return Curve(
        label=label,
        x=np.array(places, dtype=float),
        ends=[ends(row for row in rows if row[along] == place) for place in places],
        places=np.array([row[along] for row in bounded], dtype=float),
        relative_losses=np.array([row["loss"] / row["dnc_loss"] for row in bounded], dtype=float),
        known=np.array(sorted(known.items()), dtype=float).reshape(-1, 2).T,
        without_bound=len(decided) - len(bounded),
    )


def endpoints(runs: PlannedRuns) -> tuple[list[LogitMatrix], str]:
    """The first run that ended at collapse and the first paired one, and a sentence on how all runs ended.

    Where no run is paired, the lowest end of low rank takes its place. Classes are put in the order that brings the
    logits to the structure's own, partners of pairs side by side.

    Raises:
        MissingRunsError: no decided run is at collapse or below its rank.
    """
    rows, left_out = most_common_model(runs.rows)
    decided = _decided(rows)
    low = [row for row in decided if 0 < row["rank"] < row["classes"] - 1]
    chosen = [row for row in decided if row["structure"] == "dnc"][:1]
    chosen += [row for row in low if row["structure"] == "paired"][:1] or sorted(low, key=_by_loss)[:1]
    if not chosen:
        raise MissingRunsError(
            f"{','.join(runs.parts)}: expected runs that ended at collapse or at a low rank, but found "
            f"{len(decided)} decided of {len(rows)}, none of them there; raise steps_max or add seeds"
        )
    named = Counter(row["structure"] for row in decided).most_common()
    slow = len(rows) - len(decided)
    counts = ", ".join(f"{name} {count}" for name, count in named)
    sentence = f"{len(rows)} runs: {len(decided)} decided ({counts})" + (f", {slow} not." if slow else ".")
    return [_matrix(runs, row) for row in chosen], " ".join(filter(None, (sentence, left_out)))


def _by_loss(row: Row) -> float:
    return row["loss"]


def _matrix(runs: PlannedRuns, row: Row) -> LogitMatrix:
    arrays = runs.store.run(row["run"]).arrays
    index = int(np.flatnonzero(arrays["seeds"] == row["seed"])[0])
    logits = arrays["logits"][index]
    name = "Simplex (DNC)" if row["structure"] == "dnc" else row["structure"].capitalize()
    about = f"rank {row['rank']}, F = {row['loss']:.6f}, seed {row['seed']}"
    return LogitMatrix(logits=_in_order(logits, row), name=name, about=about)


def _in_order(logits: Float[np.ndarray, "K K"], row: Row) -> Float[np.ndarray, "K K"]:
    known = dict(nameable(problem_of(row))).get(row["structure"])
    order = None if known is None else aligned(logits, known.logits, rtol=LOGITS_RTOL)
    return logits if order is None else logits[np.ix_(order, order)]


def relu_runs(rows: Sequence[Row]) -> list[ReluRuns]:
    """Losses and counts, one entry per setting that is told apart."""
    found = []
    for label, group in grouped(rows, told_apart(rows, SIMULATION)):
        losses = {
            known: np.array([row["loss"] for row in group if (row["status"] in DECIDED) == known], dtype=float)
            for known in (True, False)
        }
        found.append(
            ReluRuns(
                label=label,
                losses=losses[True],
                undecided_losses=losses[False][np.isfinite(losses[False])],
                ends=ends(group),
            )
        )
    return found


def dimension_ratio(problem: Problem, *, least: int, most: int) -> DimensionRatio:
    """R(d) between two widths, by the paper's count and the exact one.

    Raises:
        MissingRunsError: no low-rank structure is known for the model.
    """
    rival = lowest_rival(problem.replace(width=None))
    if rival is None:
        raise MissingRunsError(
            f"T5: expected a low-rank structure at K = {problem.classes}, L = {problem.layers}, but found none known; "
            "sweep the width of a deeper model, or one with more classes"
        )
    places = np.unique(np.round(np.linspace(max(least, rival.rank), most, _WIDTHS)).astype(int))
    counts = [dimension_counts(problem.replace(width=int(d)), rival) for d in places]
    ratios = np.array([count.ratio for count in counts], dtype=float)  # None becomes NaN
    return DimensionRatio(
        widths=places.astype(float),
        paper=ratios[:, 0],
        exact=ratios[:, 1],
        limit=(problem.classes - 1) / rival.rank,
        structure=rival.name,
        rank=rival.rank,
    )
