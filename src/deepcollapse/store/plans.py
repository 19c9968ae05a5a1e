"""Manifests: which runs a plan wants, so that anyone can see what is left to do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store.disk import put_new
from deepcollapse.store.faults import writing
from deepcollapse.store.identity import checked_id, plain_json
from deepcollapse.store.layout import PLANS, STAGING, entries

__all__ = ["PlanRecord", "Queued", "add_plan", "plan_named", "read_plans"]

_NAME_MAX = 200  # characters of the file's name
_SUFFIX = ".jsonl"
_HEAD = {"name": str, "document": dict}
_RUN = {"id": str, "part": str, "spec": dict}


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
        if path.exists() or not put_new(path, text, staging=root / STAGING):
            found, wanted = _read(path), _parsed(text)
            if found != wanted:
                what = "document" if found.runs == wanted.runs else "runs"
                raise InvalidInputError(
                    f"plan: expected the {what} of {plan.name!r} in {path}, but found others; give the plan another "
                    "name, or delete that file (finished runs stay, and the new plan uses them)"
                )


def read_plans(root: Path) -> tuple[PlanRecord, ...]:
    """All plans, by name.

    Raises:
        InvalidInputError: a damaged manifest.
    """
    paths = [Path(entry.path) for entry in entries(root / PLANS) if entry.name.endswith(_SUFFIX)]
    return tuple(sorted(map(_read, paths), key=lambda plan: plan.name))


def plan_named(plans: Sequence[PlanRecord], name: str) -> PlanRecord:
    """The plan of that name.

    Raises:
        InvalidInputError: it is not among them.
    """
    for plan in plans:
        if plan.name == name:
            return plan
    names = ", ".join(plan.name for plan in plans) or "none"
    raise InvalidInputError(f"plan: expected one of {names}, but found {name!r}; name one of them")


def _path(root: Path, name: str) -> Path:
    quoted = quote(name, safe=" ,+=()", errors="replace")
    if not name.strip() or len(quoted) > _NAME_MAX:
        raise InvalidInputError(f"plan: expected a name of 1 to {_NAME_MAX} characters, but found {name!r}; change it")
    return root / PLANS / f"{quoted}{_SUFFIX}"


def _text(plan: PlanRecord) -> bytes:
    head = {"name": plan.name, "document": plain_json(plan.document, "plan")}
    runs = [{"id": checked_id(run.id), "part": run.part, "spec": plain_json(run.spec, "spec")} for run in plan.runs]
    text = b"".join(map(_line, (head, *runs)))
    return text + _line({"sha256": sha256(text).hexdigest()})


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def _parsed(text: bytes) -> PlanRecord:
    """From a manifest, of which the last line is a digest of the others.

    Raises:
        InvalidInputError: anything else.
    """
    *lines, last = text.splitlines(keepends=True) or [b""]
    if json_object(last, {"sha256": str})["sha256"] != sha256(b"".join(lines)).hexdigest():
        raise InvalidInputError("expected the bytes that were written, but found others; restore a copy")
    head, *runs = [json_object(line, fields) for line, fields in zip(lines, chain([_HEAD], repeat(_RUN)), strict=False)]
    return PlanRecord(
        head["name"], head["document"], tuple(Queued(run["id"], run["part"], run["spec"]) for run in runs)
    )


def _read(path: Path) -> PlanRecord:
    try:
        return _parsed(path.read_bytes())
    except (OSError, InvalidInputError) as error:
        raise InvalidInputError(
            f"plan: expected a manifest of runs, but found {path} damaged ({error}); delete this file and add the plan "
            "again (finished runs stay)"
        ) from None
