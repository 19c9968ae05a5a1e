"""From the rows and arrays of training runs to what the figures of networks draw."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.plot.paper.networks import NetworkRun, NetworkRuns
from deepcollapse.plot.paper.planned import PlannedRuns
from deepcollapse.plot.paper.settings import TRAINING, grouped, in_words, told_apart
from deepcollapse.store import Store

__all__ = ["network_runs"]

Row = Mapping[str, Any]

_RANK_RTOL = 1e-3
_RANK_PAPER = 1e-6
_DATA_SETS = {
    "mnist": "MNIST",
    "mnist-5000": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
}
_PARTS = {"mnist": "MNIST", "E4": "MNIST", "cifar": "CIFAR-10", "E5": "CIFAR-10"}


def network_runs(runs: PlannedRuns, *, most: int) -> tuple[list[NetworkRuns], str]:
    """Training runs by setting, and a sentence on those left out.

    Of each data set and backbone the setting that the plan names first is taken, then others in the plan's order until
    there are ``most``. They are in the order of their parts' names.
    """
    columns = told_apart(runs.rows, ("part", *TRAINING))
    groups = sorted((group for _, group in grouped(runs.rows, columns)), key=lambda group: runs.rows.index(group[0]))
    first = {_network(group[0]): group for group in reversed(groups)}
    preferred = sorted(groups, key=lambda group: group not in first.values())[:most]
    chosen = sorted((group for group in groups if group in preferred), key=lambda group: group[0]["part"])
    left_out = sum(map(len, groups)) - sum(map(len, chosen))
    found = [_setting(runs.store, group, chosen) for group in chosen]
    return found, f"{left_out} runs of {len(groups) - len(chosen)} other settings are not shown." if left_out else ""


def _setting(store: Store, rows: Sequence[Row], groups: Sequence[Sequence[Row]]) -> NetworkRuns:
    """Named by data set and backbone, and by what tells it from other settings of these two."""
    row = rows[0]
    alike = [one for group in groups for one in group if _network(one) == _network(row)]
    apart = told_apart(alike, TRAINING)
    words = [_data_set(row), in_words("backbone", row["backbone"])]
    words += [in_words(column, row[column]) for column in apart if row[column] is not None]
    return NetworkRuns(
        name=", ".join(words),
        runs=[_run(store, one) for one in sorted(rows, key=lambda row: row["seed"])],
        bound=row["dnc_loss"],
        exact=row["bound"] == "exact",
        best=row["best_structure_loss"],
    )


def _run(store: Store, row: Row) -> NetworkRun:
    arrays = store.run(row["run"]).arrays
    values = arrays["trajectory/singular_values"]
    last = values[-1]
    return NetworkRun(
        seed=row["seed"],
        converged=row["converged"],
        steps=arrays["trajectory/steps"],
        objective=arrays["trajectory/objective"],
        singular_values=values,
        logits=arrays.get("logits"),
        rank=int((last > _RANK_RTOL * last.max()).sum()),
        rank_paper=int((last > _RANK_PAPER).sum()),
    )


def _network(row: Row) -> tuple[str, str]:
    return row["source"], row["backbone"]


def _data_set(row: Row) -> str:
    """By the source, or for a file of images by the name of the part."""
    if row["source"] in _DATA_SETS:
        return _DATA_SETS[row["source"]]
    if row["source"] != "file":
        return row["source"]
    return next((name for mark, name in _PARTS.items() if mark in row["part"]), "images")
