"""A plan as it is written: TOML, or the document itself, checked for its form but not for what the runs are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from deepcollapse.documents import toml_document
from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.mistakes import mistakes
from deepcollapse.powers import with_powers

__all__ = ["PartTable", "SeedsTable", "part_tables", "plan_document"]

_STRICT = ConfigDict(extra="forbid")
_TABLES = ("run", "grid", "zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedsTable:
    """The seeds of a part: first, first + 1, ..., count of them.

    Attributes:
        count: how many.
        block: for simulate: so many seeds make one run; None is all of them.
        first: the least.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    count: Annotated[int, Field(ge=1)]
    block: Annotated[int, Field(ge=1)] | None = None
    first: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTable:
    """One part of a plan: runs of one kind.

    Attributes:
        name: of the part.
        kind: of its runs.
        run: fields that all runs share.
        grid: values by field; all combinations, the last field varies fastest.
        zip: columns by field, walked together.
        seeds: of the runs; None leaves them to the fields.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Annotated[str, Field(pattern=r"\S")]
    kind: Literal["theory", "landscape", "simulate", "train"]
    run: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = field(default_factory=dict)
    zip: dict[str, Annotated[list[Any], Field(min_length=1)]] = field(default_factory=dict)
    seeds: SeedsTable | None = None


_PART: TypeAdapter[PartTable] = TypeAdapter(PartTable)


def plan_document(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """The document of a plan: as it is given, or from a TOML file.

    Raises:
        InvalidInputError: no such file, or no TOML.
    """
    if isinstance(source, Mapping):
        return dict(source)
    try:
        return toml_document(Path(source).read_bytes())
    except OSError as error:
        raise InvalidInputError(
            f"plan: expected a TOML file, but found {str(source)!r} ({error.strerror}); name one"
        ) from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from None


def part_tables(document: Mapping[str, Any]) -> tuple[list[PartTable], list[str]]:
    """The parts of a plan as far as their form is right, and every mistake of form, with its place."""
    parts, wrong = document.get("parts"), []
    if parts is None:
        parts, several = [document], False
    else:
        wrong += _beside_parts(document)
        several = isinstance(parts, list) and all(isinstance(part, Mapping) for part in parts)
        if not several or not parts:
            return [], [*wrong, f"parts: expected tables [[parts]], at least one, but found {parts!r}; correct it"]
    tables = []
    for number, part in enumerate(parts, start=1):
        place = f"part {part.get('name', number)!r}, " if several else ""
        try:
            tables.append(_part(part))
        except ValidationError as error:
            wrong += [place + mistake for mistake in mistakes(error)]
        except InvalidInputError as error:
            wrong.append(place + str(error))
    return tables, wrong + list(_name_mistakes(document, tables))


def _part(part: Mapping[str, Any]) -> PartTable:
    tables = {name: part[name] for name in _TABLES if isinstance(part.get(name), Mapping)}
    return _PART.validate_python({**part, **{name: _numbers(name, table) for name, table in tables.items()}})


def _numbers(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: with_powers(value, name=f"{name}.{key}") for key, value in _flat(table).items()}


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys for nested tables: ``head.width`` without quotes is the same as with them.

    A table that names its kind, and a whole specification, stay tables: they replace an entry as a whole.
    """
    flat = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and key != "spec" and "kind" not in value:
            flat |= {f"{key}.{rest}": entry for rest, entry in _flat(value).items()}
        else:
            flat[key] = value
    return flat


def _beside_parts(document: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: expected only name and parts in a plan of several parts, but found {key!r}; move it into a part"
        for key in document
        if key not in ("name", "parts")
    ]


def _name_mistakes(document: Mapping[str, Any], tables: list[PartTable]) -> Iterator[str]:
    name = document.get("name")
    if "parts" in document and (not isinstance(name, str) or not name.strip()):
        yield f"name: expected a name of the plan, but found {name!r}; add it"
    names = [table.name for table in tables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"parts: expected each name once, but found {name!r} {names.count(name)} times; rename one"
