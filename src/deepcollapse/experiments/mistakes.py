"""What is wrong with a specification, in our words."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

__all__ = ["mistakes"]

_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument", "union_tag_not_found")


def mistakes(error: ValidationError, *, inside: tuple[str, ...] = ()) -> list[str]:
    """Everything that pydantic found, each as "key: expected ..., but found ...; remedy".

    Args:
        error: what it raised.
        inside: parts of keys that whoever wrote the specification does not see.
    """
    return [_mistake(found, inside) for found in error.errors()]


def _mistake(found: Mapping[str, Any], inside: tuple[str, ...]) -> str:
    key = ".".join(str(part) for part in found["loc"] if part not in inside)
    if found["type"] == "value_error" and inside and not key:
        return str(found["ctx"]["error"])
    key = key or "spec"
    if found["type"] == "value_error":
        return f"{key}: {found['ctx']['error']}"
    if found["type"] in _MISSING:
        return f"{key}: expected a value, but found none; add it"
    if found["type"] == "unexpected_keyword_argument":
        return f"{key}: expected no such key, but found {found['input']!r}; check its spelling"
    tables = ("dataclass_type", "dict_type", "model_attributes_type")
    said = "a table of entries" if found["type"] in tables else found["msg"].removeprefix("Input should be ")
    return f"{key}: expected {said}, but found {found['input']!r}; correct it"
