"""Which run is which: plain JSON in one canonical spelling, and its fingerprint."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from deepcollapse.errors import InvalidInputError

__all__ = ["canonical_json", "checked_id", "is_id", "nullable_json", "plain_json", "run_id"]

_DIGITS = 16
_ID = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def run_id(identity: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the canonical JSON of what determines a run's result.

    The order of keys does not matter, nor list or tuple; 1 and 1.0 differ. Among a million runs any two have the same
    id with probability below 1e-7.

    Raises:
        InvalidInputError: anything but mappings with string keys, lists, strings, finite numbers, booleans and None.

    >>> run_id({"kind": "theory", "layers": 2}) == run_id({"layers": 2, "kind": "theory"})
    True
    >>> run_id({})
    '44136fa355b3678a'
    """
    return hashlib.sha256(canonical_json(identity).encode("ascii")).hexdigest()[:_DIGITS]


def canonical_json(identity: Mapping[str, Any]) -> str:
    """JSON in ASCII with sorted keys, no spaces, and floats as ``repr`` writes them.

    Raises:
        InvalidInputError: see ``run_id``.

    >>> canonical_json({"b": (1, 0.1), "a": None})
    '{"a":null,"b":[1,0.1]}'
    """
    return json.dumps(plain_json(identity, "identity"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def is_id(text: str) -> bool:
    """Whether it is the id of a run: 16 hexadecimal digits in lower case."""
    return _ID.fullmatch(text) is not None


def checked_id(id: str) -> str:
    """The id itself.

    Raises:
        InvalidInputError: it is none.
    """
    if not is_id(id):
        raise InvalidInputError(f"id: expected {_DIGITS} hexadecimal digits, but found {id!r}; take it from run_id")
    return id


def plain_json(value: object, where: str) -> Any:
    """The same in dictionaries and lists of Python's own types, order kept.

    Args:
        value: to be checked.
        where: it is, for messages.

    Raises:
        InvalidInputError: see ``run_id``; the message says where.

    >>> plain_json({"b": (1, 0.5), "a": None}, "spec")
    {'b': [1, 0.5], 'a': None}
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInputError(f"{where}: expected keys that are strings, but found {key!r}; rename it")
        return {str(key): plain_json(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str | int):
        return str(value) if isinstance(value, str) else int(value)
    raise InvalidInputError(f"{where}: expected what JSON can hold, but found {value!r}; convert it or leave it out")


def nullable_json(value: object, where: str) -> Any:
    """The same for results: arrays become lists, all keys strings, and numbers without a value null.

    Args:
        value: to be converted.
        where: it is, for messages.

    Raises:
        InvalidInputError: a value that JSON cannot hold; the message says where.

    >>> nullable_json({1: (float("nan"), 2.0)}, "document")
    {'1': [None, 2.0]}
    """
    if isinstance(value, Mapping):
        return {str(key): nullable_json(entry, f"{where}.{key}") for key, entry in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()  # type: ignore[attr-defined]
    if isinstance(value, list | tuple):
        return [nullable_json(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    return None if isinstance(value, float) and not math.isfinite(value) else plain_json(value, where)
