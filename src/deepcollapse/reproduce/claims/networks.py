"""Trained networks: what E4 to E7 read off a run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.plan_files import REPLACED

__all__ = [
    "backbone",
    "below_bound",
    "learned",
    "left_out",
    "low_rank",
    "named",
    "network_numbers",
    "open_ranks",
    "told",
    "trained_rows",
]

_LEARNED = 0.01
"""Share of wrong training images above which a run has not fitted its data and says nothing about collapse."""

_IMAGES = {"mnist-5000": "MNIST", "mnist": "MNIST", "cifar10": "CIFAR-10"}
_BACKBONES = {"resnet20": "ResNet-20", "mlp": "MLP"}

_KEPT = ("run", "part", "source", "per_class", "backbone", "activation", "layers", "width", "gain", "decay_kind")
_KEPT += ("decay_weights", "decay_features", "rate", "batch", "seed", "loss", "feature_model_objective", "dnc_loss")
_KEPT += ("bound", "below_bound", "rank", "rank_paper", "structure", "train_error", "test_accuracy", "nc1", "converged")
_KEPT += ("outcome", "steps", "polished_structure", "polished_loss")


def trained_rows(found: Evidence, parts: Iterable[str]) -> list[Mapping[str, Any]]:
    """The rows of those parts that are complete, each with the name of its "part"."""
    complete = [part for name in parts if (part := found.part(name)) is not None]
    return [{**row, "part": part.name} for part in complete for row in part.rows]


def network_numbers(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is quoted of each run."""
    return [{name: row.get(name) for name in _KEPT} for row in rows]


def learned(row: Mapping[str, Any]) -> bool:
    """Whether the run classifies its training images."""
    return row["train_error"] is not None and row["train_error"] <= _LEARNED


def low_rank(row: Mapping[str, Any], name: str = "rank_paper") -> bool | None:
    """Whether the rank is below that of DNC.

    None, undecided, where it is not but the run was cut off, so that it may still fall, and where no rank is defined.
    """
    if row[name] is None:
        return None
    return True if row[name] < row["classes"] - 1 else (False if row["converged"] else None)


def below_bound(row: Mapping[str, Any]) -> bool | None:
    """Whether the loss is below the DNC bound.

    None, undecided, where it is not but the run was cut off, so that it may still fall, and where no bound holds.
    """
    if row["bound"] != "exact" or row["below_bound"] is None:
        return None
    return True if row["below_bound"] else (False if row["converged"] else None)


def told(row: Mapping[str, Any]) -> str:
    """One run in words."""
    return (
        f"{named(row)}: {_against(row)}, {_ranks(row)}, training error {_number(row['train_error'])}, "
        f"{row['outcome']} after {row['steps']} steps"
    )


def open_ranks(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where networks stand whose rank (above 1e-6) is undecided."""
    return [f"rank open: {named(row)}, {_ranks(row)}, {row['outcome']}" for row in rows if low_rank(row) is None]


def left_out(
    rows: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]], *, why: Callable[[Mapping[str, Any]], str]
) -> list[str]:
    """Why the others do not count.

    Args:
        rows: all of them.
        kept: those that count.
        why: of a run that has learned its images.
    """
    return [
        f"left out: {named(row)}, "
        + (why(row) if learned(row) else f"training error {_number(row['train_error'], digits=2)}")
        for row in rows
        if row not in kept
    ]


def named(row: Mapping[str, Any]) -> str:
    """Backbone and images."""
    return f"{backbone(row['backbone'])} on {_images(row['source'])}"


def backbone(kind: str) -> str:
    """As people write it."""
    return _BACKBONES.get(kind, kind)


def _images(source: str) -> str:
    return f"{_IMAGES[REPLACED]} (an archive)" if source == "file" else _IMAGES.get(source, source)


def _against(row: Mapping[str, Any]) -> str:
    """The loss beside that of DNC; only the feature model's own loss can be held against an estimate of the latter."""
    if row["dnc_loss"] is None:
        return f"{_number(row['loss'])}, no DNC loss to compare with"
    if row["bound"] != "exact":
        loss = _number(row["feature_model_objective"])
        return f"feature model at {loss} against an estimated DNC loss {_number(row['dnc_loss'])}, no bound"
    return f"{_number(row['loss'])} against the DNC bound {_number(row['dnc_loss'])}"


def _ranks(row: Mapping[str, Any]) -> str:
    if row["rank_paper"] is None:
        return "rank not defined"
    return f"{row['rank_paper']} singular values above 1e-6 ({row['rank']} above 1e-3 of the largest)"


def _number(value: float | None, *, digits: int = 4) -> str:
    return "not defined" if value is None else f"{value:.{digits}f}"
