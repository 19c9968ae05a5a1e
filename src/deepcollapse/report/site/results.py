"""What came out of each run, one entry per run: the numbers that lists and charts of the page show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deepcollapse.report.site.contents import KindOfRun, cells
from deepcollapse.simulate import DECIDED

__all__ = ["results"]

Row = Mapping[str, Any]

_TRAIN = (
    "loss", "feature_model_objective", "dnc_loss", "bound", "below_bound", "best_structure", "best_structure_loss",
    "structure", "rank", "rank_paper", "singular_values", "nc1", "train_error", "test_accuracy", "converged", "outcome",
    "steps", "epochs", "polished_structure", "polished_loss",
)  # fmt: skip
_PREDICTED = ("dnc_loss", "best_structure", "best_structure_loss")


def results(kind: KindOfRun) -> dict[str, list[Any]]:
    """Columns with one entry per run of the kind, in its order; None where a run has no such number."""
    summarised = {"simulate": _simulated, "train": _trained, "landscape": _searched, "theory": _known}[kind.kind]
    found = [summarised(kind.blocks[id]) if id in kind.blocks else {} for id in kind.ids]
    names = dict.fromkeys(name for row in found for name in row)
    return {name: [row.get(name) for row in found] for name in names}


def _simulated(rows: pa.Table) -> Row:
    """Seeds, and what those that are decided ended at."""
    ends = [
        (structure, loss)
        for status, structure, loss in zip(
            *(cells(rows, name) for name in ("status", "structure", "loss")), strict=True
        )
        if status in DECIDED
    ]
    counts = Counter(structure for structure, _ in ends)
    return {
        "seeds": rows.num_rows,
        "decided": len(ends),
        "dnc": counts["dnc"],
        "ends_most_at": counts.most_common(1)[0][0] if counts else None,
        "lowest_loss": min((loss for _, loss in ends), default=None),
        **_first(rows, _PREDICTED),
    }


def _trained(rows: pa.Table) -> Row:
    return _first(rows, _TRAIN)


def _searched(rows: pa.Table) -> Row:
    """The lowest point found."""
    losses = cells(rows, "loss")
    best = rows.slice(losses.index(min(losses)), 1)
    return {"points": rows.num_rows, **_first(best, ("structure", "rank", "loss", "dnc_loss", "hits"))}


def _known(rows: pa.Table) -> Row:
    """The lowest point known, and collapse."""
    best = [index for index, flag in enumerate(cells(rows, "best")) if flag]
    names = ("dnc_exists", "dnc_loss", "dnc_stable", "dnc_decay_max")
    return {
        "points": rows.num_rows,
        **_first(rows.slice(best[0] if best else 0, 1), ("structure", "rank", "loss", *names)),
    }


def _first(rows: pa.Table, names: Sequence[str]) -> Row:
    return {name: rows[name][0].as_py() for name in names if name in rows.column_names and rows.num_rows}
