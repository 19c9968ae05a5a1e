"""Which run is which: plain JSON in one canonical spelling, and its fingerprint."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from deepcollapse.errors import InvalidInputError

__all__ = ["canonical_json", "checked_id", "jsonable", "run_id"]

_DIGITS = 16
_ID = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def run_id(identity: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the canonical JSON of what determines a run's result.

    The order of keys does not matter, and neither does list or tuple; 1 and 1.0 differ. Among a million runs two have
    the same id with probability below 1e-7.

    Raises:
        InvalidInputError: anything but mappings with string keys, lists, strings, finite numbers, booleans and None.

    >>> run_id({"kind": "theory", "layers": 2}) == run_id({"layers": 2, "kind": "theory"})
    True
    >>> run_id({})
    '44136fa355b3678a'
    """
    return hashlib.sha256(canonical_json(identity).encode("ascii")).hexdigest()[:_DIGITS]


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON in ASCII with sorted keys, no spaces, and floats as ``repr`` writes them.

    Raises:
        InvalidInputError: see ``run_id``.

    >>> canonical_json({"b": (1, 0.1), "a": None})
    '{"a":null,"b":[1,0.1]}'
    """
    return json.dumps(_strict(value, "identity"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def checked_id(id: str) -> str:
    """The id itself.

    Raises:
        InvalidInputError: not 16 hexadecimal digits in lower case.
    """
    if not _ID.fullmatch(id):
        raise InvalidInputError(f"id: expected 16 hexadecimal digits, but found {id!r}; take it from run_id")
    return id


def jsonable(value: object) -> Any:
    """What ``json.dumps`` takes: arrays as lists, keys as strings; NaN and infinities become null.

    >>> jsonable({1: (float("nan"), 2.0)})
    {'1': [None, 2.0]}
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())  # type: ignore[attr-defined]
    raise InvalidInputError(f"document: expected what JSON can hold, but found {type(value).__name__}; convert it")


def _strict(value: object, where: str) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInputError(f"{where}: expected keys that are strings, but found {key!r}; rename it")
        return {key: _strict(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise InvalidInputError(f"{where}: expected a plain JSON value, but found {value!r}; convert or leave it out")
