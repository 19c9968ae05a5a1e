"""A plan of runs: a document with grids, expanded and checked before anything runs."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.run_kinds import RunSpec, run_spec
from deepcollapse.experiments.simulate_run import SimulateRun
from deepcollapse.store import Queued, run_id
from deepcollapse.sweep.expansion import expanded, expansion_mistakes, run_count
from deepcollapse.sweep.plan_file import PartTable, part_tables, plan_document

__all__ = ["Part", "Plan", "plan"]

_SHOWN = 20
_RUNS_MAX = 10**6
_LOOKED_AT = 100  # models, for warnings
_SEVERAL = re.compile(r"; (?=[\w.]+: )")  # between the mistakes of one run


@dataclass(frozen=True, slots=True)
class Part:
    """Runs of one kind under one name.

    Attributes:
        name: of the part.
        runs: their settings; runs that coincide are there once.
        ids: their names in a store, in the same order.
    """

    name: str
    runs: tuple[RunSpec, ...]
    ids: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Of all its runs."""
        return self.runs[0].kind

    def warnings(self) -> Iterator[str]:
        """One line for each model whose learning rates, or some of them, are too large to stay at any known end."""
        models: dict[tuple[object, ...], list[SimulateRun]] = {}
        for spec in self.runs:
            if isinstance(spec, SimulateRun):
                models.setdefault((spec.problem, spec.optimiser, spec.beta), []).append(spec)
        for runs in itertools.islice(models.values(), _LOOKED_AT):
            bound = runs[0].largest_stable_lr()
            if bound is not None and (wild := sorted({run.lr for run in runs if run.lr > bound})):
                found = ", ".join(f"{lr:g}" for lr in wild)
                yield (
                    f"{self.name}: expected lr below {bound:.3g}, where the end predicted for {_model(runs[0])} is "
                    f"unstable, but found {found}; lower it"
                )

    def varying(self) -> dict[str, list[Any]]:
        """The settings that are not the same in all runs, by dotted key, each with its values in order."""
        values: dict[str, dict[str, Any]] = {}
        for spec in self.runs:
            for key, value in _flat(spec.as_json()).items():
                values.setdefault(key, {}).setdefault(repr(value), value)
        return {key: list(found.values()) for key, found in values.items() if len(found) > 1}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep does.

    Attributes:
        name: of the plan, and of its record in a store.
        parts: in the order written.
        document: the plan as it was given.
    """

    name: str
    parts: tuple[Part, ...]
    document: Mapping[str, Any]

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all runs; a run that several parts share is there once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.ids))

    def queued(self) -> list[Queued]:
        """The runs as a store takes them."""
        return [
            Queued(id=name, part=part.name, spec=spec.as_json())
            for part in self.parts
            for name, spec in zip(part.ids, part.runs, strict=True)
        ]


def plan(source: str | Path | Mapping[str, Any]) -> Plan:
    """Read, check and expand a plan.

    A plan has a ``name`` and a ``kind`` of runs, or several ``[[parts]]`` that each have both. ``[run]`` holds the
    fields that all runs share, ``[grid]`` lists of values of which every combination is a run, ``[zip]`` columns of
    values that are walked together, under each point of the grid. ``[seeds]`` has ``count`` and ``first``: one run for
    each seed, or, for simulate, for each ``block`` of seeds. Fields are those of ``run_spec``; "2^-10" is a number.

    Args:
        source: a TOML file, or the document itself.

    Raises:
        InvalidInputError: no such file, more than 10^6 runs, or mistakes; these all at once, one a line, each with
            part, key and value.

    >>> document = {"name": "wide", "kind": "theory", "run": {"layers": 2}, "grid": {"classes": [3, 4, 5]}}
    >>> [spec.as_json()["classes"] for spec in plan(document).parts[0].runs]
    [3, 4, 5]
    """
    document = plan_document(source)
    tables, wrong = part_tables(document)
    _expect_size(tables)
    several = "parts" in document
    parts = []
    for table in tables:
        place = f"part {table.name!r}, " if several else ""
        found = list(expansion_mistakes(table))
        specs = [] if found else _specs(table, found)
        wrong += [place + mistake for mistake in dict.fromkeys(found)]
        parts.append(_part(table.name, specs))
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] * (len(wrong) > _SHOWN)
        raise InvalidInputError(";\n".join(wrong[:_SHOWN] + more))
    return Plan(document["name"], tuple(parts), document)


def _model(run: SimulateRun) -> str:
    problem = run.problem
    return f"K = {problem.classes}, L = {problem.layers}, d = {problem.d}, decay {problem.mean_decay:.3g}"


def _expect_size(tables: Iterable[PartTable]) -> None:
    """Before the plan fills the memory."""
    counts = {table.name: run_count(table) for table in tables}
    if (total := sum(counts.values())) > _RUNS_MAX:
        largest = max(counts, key=lambda name: counts[name])
        raise InvalidInputError(
            f"plan: expected at most {_RUNS_MAX} runs, but found {total}, most of them in {largest!r}; shorten grid, "
            "zip or seeds, or make several plans"
        )


def _specs(table: PartTable, wrong: list[str]) -> list[RunSpec]:
    """The settings of the runs that have no mistake; the mistakes of the others are added to the list."""
    specs = []
    for document in expanded(table):
        try:
            specs.append(run_spec(document))
        except InvalidInputError as error:
            wrong += _SEVERAL.split(str(error))
    return specs


def _part(name: str, specs: Iterable[RunSpec]) -> Part:
    runs: dict[str, RunSpec] = {}
    for spec in specs:
        runs.setdefault(run_id(spec.identity()), spec)
    return Part(name, tuple(runs.values()), tuple(runs))


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
