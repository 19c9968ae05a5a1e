"""The entries of documents that are dataclasses: names and types from pydantic, meanings from docstrings."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

__all__ = ["Entry", "entries", "meanings"]

_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a document.

    Attributes:
        name: the key.
        type: in words.
        default: as JSON, or "required".
        meaning: from the docstring.
    """

    name: str
    type: str
    default: str
    meaning: str


def entries(kind: type) -> Iterator[Entry]:
    """The entries of a dataclass, in order."""
    schema = TypeAdapter(kind).json_schema()
    told = meanings(kind)
    for name, found in schema["properties"].items():
        default = found.get("default", PydanticUndefined)
        required = name in schema.get("required", ())
        shown = "required" if required else "" if default is PydanticUndefined else _plain(default)
        yield Entry(name, _type(found, schema.get("$defs", {})), shown, told.get(name, ""))


def meanings(kind: type) -> dict[str, str]:
    """What the Attributes or Args section of a class's docstring says of each name."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        if not line.startswith(" "):
            inside = line in ("Attributes:", "Args:") or (inside and not line)
        elif inside and (match := _ENTRY.match(line)):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif inside and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _type(found: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if "const" in found:
        return _plain(found["const"])
    if "enum" in found:
        return " or ".join(map(_plain, found["enum"]))
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        return _type(parts[name], parts) if "enum" in parts.get(name, {}) else f"table {name}"
    for key in ("anyOf", "oneOf"):
        if key in found:
            return " or ".join(dict.fromkeys(_type(one, parts) for one in found[key]))
    if found.get("type") == "array":
        inner = found.get("items") or {}
        return f"array of {_type(inner, parts)}" if inner else "array"
    return str(found.get("type", "anything")) + _range(found)


def _range(found: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {found[key]}" for key, sign in signs.items() if key in found)


def _plain(value: object) -> str:
    names = {None: "none", True: "true", False: "false"}
    return names.get(value, str(value)) if isinstance(value, bool | None) else repr(value).replace("'", '"')
