"""Columns in the form they are shipped in: repeated values once, numbers without a value as null."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepcollapse.store.identity import nullable_json

__all__ = ["columns", "encoded", "significant"]

_WORDS = 4096  # distinct values up to which a column is stored as codes


def encoded(values: Sequence[Any]) -> dict[str, Any]:
    """A column of JSON values as {"all", "count"} if they are equal, as {"words", "codes"} if they repeat, else plain.

    >>> encoded(["paired", "dnc", "paired", "paired"])
    {'words': ['paired', 'dnc'], 'codes': [0, 1, 0, 0]}
    >>> encoded([2, 2]), encoded([0.5, 0.25])
    ({'all': 2, 'count': 2}, {'values': [0.5, 0.25]})
    """
    cells = [nullable_json(value, "cell") for value in values]
    keys = [_key(cell) for cell in cells]
    words = dict(zip(reversed(keys), reversed(cells), strict=True))
    if len(words) == 1:
        return {"all": cells[0], "count": len(cells)}
    if 2 * len(words) > len(cells) or len(words) > _WORDS:
        return {"values": cells}
    order = list(dict.fromkeys(keys))
    place = {key: index for index, key in enumerate(order)}
    return {"words": [words[key] for key in order], "codes": [place[key] for key in keys]}


def columns(table: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """All columns of a table, encoded."""
    return {name: encoded(values) for name, values in table.items()}


def significant(values: np.ndarray, digits: int) -> np.ndarray:
    """The numbers rounded to so many significant digits; what is no number stays.

    >>> significant(np.array([0.08001265924, 0.0, np.nan]), 4)
    array([0.08001, 0.     ,     nan])
    """
    with np.errstate(all="ignore"):
        exponents = np.floor(np.log10(np.abs(values)))
        factors = 10.0 ** (digits - 1 - exponents)
        rounded = np.round(values * factors) / factors
    return np.where(np.isfinite(rounded), rounded, values)


def _key(cell: Any) -> tuple[type, Any]:
    """What tells cells apart: 1, 1.0 and True are three."""
    return type(cell), json.dumps(cell) if isinstance(cell, list | dict) else cell
