"""The settings of trained networks beside the paper's: every stated one that differs is a condition."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claims.networks import backbone, named
from deepcollapse.reproduce.claims.spans import short

__all__ = ["RELU", "STANDARD", "UFM", "setting_conditions"]

UFM: Mapping[str, Any] = {
    "backbone": "resnet20",
    "per_class": 5000,
    "layers": 3,
    "width": 64,
    "decay_weights": 5e-3,
    "decay_features": 1e-6,
    "rate": 0.05,
    "batch": 10_000,
}
"""What the paper states of E4 and E5, by column of a run's row."""

STANDARD: Mapping[str, Any] = {name: value for name, value in UFM.items() if name != "decay_features"} | {
    "decay_weights": 1e-2,
    "rate": 1e-3,
}
"""Of E6."""

RELU: Mapping[str, Any] = {**UFM, "layers": 4}
"""Of the networks of E7."""

_WORDS = {
    "backbone": "backbone",
    "per_class": "images per class",
    "layers": "L =",
    "width": "d =",
    "decay_weights": "decay",
    "rate": "learning rate",
    "batch": "batch",
}
_ROUNDING = 1e-3  # relative, of decays that are written with five digits


def setting_conditions(rows: Sequence[Mapping[str, Any]], papers: Mapping[str, Any]) -> list[str]:
    """In what the runs' settings are not the paper's, part by part; and that no run could refute, if none could.

    Args:
        rows: that count, each with its "part".
        papers: ``UFM``, ``STANDARD`` or ``RELU``.
    """
    groups = [[row for row in rows if row["part"] == part] for part in dict.fromkeys(row["part"] for row in rows)]
    told = [(named(group[0]), [*_differences(group, papers), *_run(group)]) for group in groups]
    conditions = [f"{name}: {', '.join(texts)}" for name, texts in told if texts]
    if rows and not any(row["converged"] for row in rows):
        conditions.append("no network had converged, so that none could refute the claim")
    return conditions


def _differences(rows: Sequence[Mapping[str, Any]], papers: Mapping[str, Any]) -> list[str]:
    found = []
    for column, word in _WORDS.items():
        others = [value for value in dict.fromkeys(_held(row, column) for row in rows) if value != papers[column]]
        if others:
            found.append(f"{word} {' and '.join(map(_text, others))} instead of {_text(papers[column])}")
    if "decay_features" in papers:
        found += dict.fromkeys(filter(None, (_features(row, papers) for row in rows)))
    return found


def _held(row: Mapping[str, Any], column: str) -> Any:
    """A full batch is one of all images."""
    if column == "batch" and row["batch"] is None:
        return row["classes"] * row["per_class"]
    return row[column]


def _text(value: Any) -> str:
    return backbone(value) if isinstance(value, str) else short(value)


def _features(row: Mapping[str, Any], papers: Mapping[str, Any]) -> str | None:
    """The features' decay; what it does is decided by its product with the images per class."""
    decay, stated = row["decay_features"], papers["decay_features"]
    product, wanted = decay * row["per_class"], stated * papers["per_class"]
    if not math.isclose(product, wanted, rel_tol=_ROUNDING):
        return f"features' decay times images per class {product:g} instead of {wanted:g}"
    if decay != stated:
        return f"features' decay {decay:g} instead of {stated:g}, of equal product with the images per class"
    return None


def _run(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the paper does not state, or a run lacks."""
    texts = []
    gains = [row["gain"] for row in rows if row["gain"] != 1.0]
    if gains:
        texts.append(f"initial head weights {max(gains):g} times PyTorch's (the paper states none)")
    if len(rows) == 1:
        texts.append("one seed")
    moving = [row["steps"] for row in rows if not row["converged"]]
    if moving:
        share = "" if len(moving) == len(rows) else f"{len(moving)} of {len(rows)} "
        texts.append(f"{share}not converged at the horizon of {short(max(moving))} steps")
    return texts
