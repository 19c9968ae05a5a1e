"""JSON and TOML that may come from anywhere: either the types that were expected, or one error."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from deepcollapse.errors import InvalidInputError

__all__ = ["json_object", "toml_document"]

_WHOLE_MAX = 2**63
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def json_object(text: bytes | str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object in a text, with the fields that are asked for.

    Args:
        text: one JSON document, from any source.
        fields: names of entries that must be there, with their types as in ``isinstance``. ``int`` does not take
            booleans, and numbers must be finite and fit 64 bits.

    Raises:
        InvalidInputError: anything else, however deep, long, large or badly encoded.

    >>> json_object('{"attempt": 2, "worker": "pool-0"}', {"attempt": int})
    {'attempt': 2, 'worker': 'pool-0'}
    >>> json_object('{"attempt": 1e400}', {"attempt": int | float})
    Traceback (most recent call last):
    deepcollapse.errors.InvalidInputError: expected 'attempt' to be int | float, but found inf; correct it
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        found = json.loads(raw)
        if _SURROGATE.search(raw):
            json.dumps(found, ensure_ascii=False).encode("utf-8")  # a half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"expected JSON, but found: {error}; correct it") from None
    if not isinstance(found, dict):
        raise InvalidInputError(f"expected a JSON object, but found a {type(found).__name__}; correct it")
    for name, kind in (fields or {}).items():
        if name not in found or not _is_a(found[name], kind):
            shown = repr(found[name])[:40] if name in found else "none"
            expected = getattr(kind, "__name__", kind) if isinstance(kind, type) else kind
            raise InvalidInputError(f"expected {name!r} to be {expected}, but found {shown}; correct it")
    return found


def toml_document(text: bytes | str) -> dict[str, Any]:
    """The TOML document in a text.

    Raises:
        InvalidInputError: anything else, however deep, long or badly encoded.

    >>> toml_document('name = "wide"')
    {'name': 'wide'}
    """
    try:
        return tomllib.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError:
        raise InvalidInputError("expected TOML, but found: brackets nested too deeply; correct it") from None
    except ValueError as error:  # no UTF-8, no TOML, or a number of thousands of digits
        raise InvalidInputError(f"expected TOML, but found: {error}; correct it") from None


def _is_a(value: object, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int | float):
        return isinstance(value, kind) and math.isfinite(value) and abs(value) < _WHOLE_MAX
    return isinstance(value, kind)
