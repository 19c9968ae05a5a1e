"""Rows of runs grouped by what tells them apart, and settings in words."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from deepcollapse.plot.paper.marks import power_of_two

__all__ = ["MODEL", "SIMULATION", "TRAINING", "grouped", "in_words", "shared", "told_apart"]

Row = Mapping[str, Any]
Key = tuple[Any, ...]

MODEL = ("classes", "layers", "samples", "width", "decay", "decays", "loss_function", "activation")
"""Columns of the feature model."""

SIMULATION = (
    "init_scale",
    "init",
    "init_distance",
    "optimiser",
    "beta",
    *MODEL,
    "lr",
    "accelerate",
    "dtype",
    "tolerance",
    "steps_max",
)
"""Columns that can tell ensembles apart; what follows from an earlier one is not used."""

TRAINING = (
    "source",
    "backbone",
    "layers",
    "width",
    "gain",
    "activation",
    "decay_kind",
    "per_class",
    "decay_weights",
    "decay_features",
    "rate",
    "momentum",
    "batch",
    "dtype",
    "device",
)
"""Columns that can tell training runs apart, the seed left out."""

_SIGNS = {"classes": "K", "layers": "L", "samples": "n", "width": "d"}
_NAMES = {
    "init_scale": "init scale",
    "lr": "lr",
    "rate": "lr",
    "decay_weights": "weight decay",
    "decay_features": "feature decay",
}
_VALUES = {
    "ce": "cross-entropy",
    "mse": "squared error",
    "gd": "gradient descent",
    "adam": "Adam",
    "relu": "ReLU",
    "mlp": "MLP",
    "resnet20": "ResNet-20",
    "gaussian": "Gaussian start",
    "ufm": "decay of the feature model",
    "standard": "standard decay",
    "balance": "accelerated by balance",
}


def in_words(column: str, value: Any) -> str:
    """A setting as people read it.

    >>> in_words("decay", 2.0**-10), in_words("init_scale", 0.5), in_words("steps_max", 100)
    ('λ = 2⁻¹⁰', 'init scale 0.5', 'steps max 100')
    """
    name = _NAMES.get(column, column.replace("_", " "))
    if value is None:
        return f"no {name}"
    if column == "decay":
        return f"λ = {power_of_two(value)}"
    if column in _SIGNS:
        return f"{_SIGNS[column]} = {value}"
    if column == "per_class":
        return f"{value} per class"
    return f"{name} {value:g}" if isinstance(value, int | float) else _VALUES.get(str(value), str(value))


def told_apart(rows: Sequence[Row], columns: Iterable[str], *, along: str | None = None) -> tuple[str, ...]:
    """The columns that are needed to tell settings apart that share their place along an axis.

    In the order given; a column whose value follows from those before it (and from the place) is left out.

    >>> rows = [{"d": 8, "s": 1, "lr": 0.1}, {"d": 8, "s": 2, "lr": 0.2}, {"d": 9, "s": 1, "lr": 0.3}]
    >>> told_apart(rows, ("s", "lr"), along="d")
    ('s',)
    """
    chosen: list[str] = []
    for column in columns:
        if column == along:
            continue
        seen: dict[Key, set[str]] = {}
        for row in rows:
            seen.setdefault(_key(row, (along, *chosen) if along else chosen), set()).add(repr(row.get(column)))
        if any(len(values) > 1 for values in seen.values()):
            chosen.append(column)
    return tuple(chosen)


def grouped(rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """Rows by their values in these columns, each group with its label, in the order of the values."""
    ordered = sorted(rows, key=lambda row: _order(row, columns))
    groups = [list(group) for _, group in groupby(ordered, key=lambda row: _key(row, columns))]
    return [(", ".join(in_words(column, group[0].get(column)) for column in columns), group) for group in groups]


def shared(rows: Sequence[Row], columns: Iterable[str]) -> str:
    """The settings that all rows have in common, in words; those that are not set are left out."""
    common = [column for column in columns if len({repr(row.get(column)) for row in rows}) == 1]
    return ", ".join(in_words(column, rows[0].get(column)) for column in common if rows[0].get(column) is not None)


def _key(row: Row, columns: Sequence[str]) -> Key:
    return tuple(repr(row.get(column)) for column in columns)


def _order(row: Row, columns: Sequence[str]) -> Key:
    """Numbers by size, before words."""
    values = (row.get(column) for column in columns)
    return tuple((0, value, "") if isinstance(value, int | float) else (1, 0, repr(value)) for value in values)
