"""Manifests: which runs a plan wants, so that anyone can see what is left to do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import put_new
from deepcollapse.store.faults import writing
from deepcollapse.store.identity import canonical_json, checked_id
from deepcollapse.store.layout import PLANS, STAGING, entries

__all__ = ["PlanRecord", "Queued", "add_plan", "read_plans"]

_NAME_MAX = 80  # characters


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that a plan wants.

    Attributes:
        id: of the run; two plans or parts that want the same run share it.
        part: of the plan.
        spec: what to run, in plain JSON types, with its "kind".
    """

    id: str
    part: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan in a store.

    Attributes:
        name: of the plan.
        document: the plan as it was given.
        runs: what it wants, in its order; a run that several parts want is there several times.
    """

    name: str
    document: Mapping[str, Any]
    runs: tuple[Queued, ...]


def add_plan(root: Path, plan: PlanRecord) -> None:
    """Write a plan's manifest; one that is there already must be the same.

    Raises:
        InvalidInputError: a name or content that cannot be kept, or another plan of this name.
        StoreError: the disk does not let it be written.
    """
    path, text = _path(root, plan.name), _text(plan)
    with writing(f"plan {plan.name!r}", path):
        if not put_new(path, text, staging=root / STAGING) and path.read_bytes() != text:
            raise InvalidInputError(
                f"plan: expected the plan {plan.name!r} that {path} holds, but found other runs or settings; give the "
                "plan another name, or delete that file (finished runs stay, and the new plan uses them)"
            )


def read_plans(root: Path) -> tuple[PlanRecord, ...]:
    """All plans, by name.

    Raises:
        InvalidInputError: a damaged manifest.
    """
    return tuple(_read(Path(entry.path)) for entry in sorted(entries(root / PLANS), key=lambda entry: entry.name))


def _path(root: Path, name: str) -> Path:
    if not name.strip() or len(name) > _NAME_MAX:
        raise InvalidInputError(f"plan: expected a name of 1 to {_NAME_MAX} characters, but found {name!r}; shorten it")
    return root / PLANS / f"{quote(name, safe=' ,+=()')}.jsonl"


def _text(plan: PlanRecord) -> bytes:
    lines: Sequence[Mapping[str, Any]] = [
        {"name": plan.name, "document": plan.document},
        *({"id": checked_id(run.id), "part": run.part, "spec": run.spec} for run in plan.runs),
    ]
    return "".join(canonical_json(line) + "\n" for line in lines).encode("ascii")


def _read(path: Path) -> PlanRecord:
    try:
        head, *lines = map(json.loads, path.read_bytes().splitlines())
        runs = tuple(Queued(line["id"], line["part"], line["spec"]) for line in lines)
        return PlanRecord(head["name"], head["document"], runs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"plan: expected a manifest of runs, but found {path} damaged ({error}); delete this file and add the plan "
            "again (finished runs stay)"
        ) from None
