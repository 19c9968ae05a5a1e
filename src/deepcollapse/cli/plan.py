"""``deepcollapse plan``: what a sweep's plan expands to."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from deepcollapse.cli.output import number, print_json, print_lines, print_table
from deepcollapse.errors import InvalidInputError
from deepcollapse.sweep import Part, Plan
from deepcollapse.sweep import plan as expanded

__all__ = ["one_plan", "plan"]

_SHOWN = 4  # values of a setting, and runs


def plan(*file: Path, json: bool = False) -> None:
    """Show what a plan expands to, and every mistake in it; nothing is run.

    Args:
        file: the plan, in TOML.
        json: write all runs with their settings as one JSON document to standard output.
    """
    found = one_plan(*file)
    if json:
        print_json(_document(found))
        return
    rows = [[escape(part.name), part.kind, len(part.ids)] for part in found.parts]
    print_table(escape(found.name), ["part", "kind", "runs"], rows)
    for part in found.parts:
        print_lines(f"{part.name}: {_varying(part)}", f"  ids {_short(part.ids)}")
    print_lines(f"{len(found.ids)} runs", *(f"Warning: {line}" for part in found.parts for line in part.warnings()))


def one_plan(*files: Path) -> Plan:
    """The plan in the one file that was named.

    Raises:
        InvalidInputError: none or several named, or mistakes in the plan.
    """
    if len(files) != 1:
        found = ", ".join(map(str, files)) or "none"
        raise InvalidInputError(f"plan: expected one TOML file, but found {found}; name one")
    return expanded(files[0])


def _document(plan: Plan) -> dict[str, object]:
    parts = [
        {
            "name": part.name,
            "kind": part.kind,
            "runs": [{"id": id, "spec": run.as_json()} for id, run in zip(part.ids, part.runs, strict=True)],
        }
        for part in plan.parts
    ]
    warnings = [line for part in plan.parts for line in part.warnings()]
    return {"name": plan.name, "runs": len(plan.ids), "parts": parts, "warnings": warnings}


def _varying(part: Part) -> str:
    varying = part.varying().items()
    return "; ".join(f"{key} = {_short([number(value) for value in values])}" for key, values in varying) or "one run"


def _short(values: Sequence[str]) -> str:
    if len(values) <= _SHOWN:
        return ", ".join(values)
    return f"{', '.join(values[: _SHOWN - 2])}, ..., {values[-1]} ({len(values)})"
