"""The runs of a plan's parts in a store, as far as they are done."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepcollapse.documents import json_object
from deepcollapse.errors import InvalidInputError
from deepcollapse.store import PlanRecord, Store

__all__ = ["MissingRunsError", "PlannedRuns", "planned_runs", "plans_to_draw"]

Row = Mapping[str, Any]

_SIZES = ("", "quick", "small", "full")


class MissingRunsError(InvalidInputError):
    """A figure's runs are not in the store; the message names the part and the command that makes them."""


@dataclass(frozen=True, slots=True)
class PlannedRuns:
    """Finished runs of one or more parts of a plan.

    Attributes:
        store: where they are.
        parts: what was asked for, such as ("E4", "E5").
        rows: of the finished runs, in the plan's order, each with the name of its "part".
        done: runs finished.
        planned: runs the plan wants.
        plan: its name.
        lacking: names of parts none of whose runs is done.
    """

    store: Store
    parts: tuple[str, ...]
    rows: Sequence[Row]
    done: int
    planned: int
    plan: str
    lacking: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The finished runs."""
        return tuple(dict.fromkeys(row["run"] for row in self.rows))

    @property
    def remark(self) -> str:
        """A sentence if some planned runs are not done; empty otherwise."""
        if self.done == self.planned:
            return ""
        names = f", none of {', '.join(self.lacking)}" if self.lacking else ""
        return f"{self.done} of {self.planned} planned runs are done{names}."

    def only(self, **columns: object) -> "PlannedRuns":
        """Those with these values in their rows.

        Raises:
            MissingRunsError: none is left.
        """
        rows = [row for row in self.rows if all(row.get(name) == value for name, value in columns.items())]
        if not rows:
            wanted = ", ".join(f"{name} {value}" for name, value in columns.items())
            found = f"finished runs with {wanted}, but found none among {self.done} of {self.planned} that are done"
            raise _missing(self.store, self.parts, found, plan=self.plan)
        return replace(self, rows=rows)


def plans_to_draw(store: Store, name: str | None = None) -> tuple[PlanRecord, ...]:
    """The plan named; else all, in the order in which runs are looked for.

    First comes the plan of the store's ledger, then those of larger reproductions before smaller ones and other plans.

    Raises:
        InvalidInputError: no plan of this name.
        MissingRunsError: no plan at all.
    """
    if name is not None:
        return (store.plan(name),)
    plans = store.plans()
    if not plans:
        raise MissingRunsError(
            f"plan: expected a plan in {store.path}, but found none; make one with deepcollapse reproduce --size small "
            f"--store {shlex.quote(str(store.path))}"
        )
    first = _ledger_plan(store)
    return tuple(sorted(plans, key=lambda plan: (plan.name != first, -_SIZES.index(_size(plan.name)), plan.name)))


def planned_runs(store: Store, plan: PlanRecord, parts: tuple[str, ...]) -> PlannedRuns:
    """Finished runs of the parts that have one of these names, or begin with one and a hyphen ("E4-mnist-mlp").

    Parts that repeat runs of others to check them ("E2-audit") are left out.

    Raises:
        MissingRunsError: the plan has no such part, or none of its runs is done.
    """
    part_of = {queued.id: queued.part for queued in plan.runs if _belongs(queued.part, parts)}
    if not part_of:
        found = f"a part of that name in the plan {plan.name!r}, but found none"
        raise _missing(store, parts, found, plan=plan.name.replace("quick", "small"))  # quick leaves parts out
    finished = store.done()
    done = [id for id in part_of if id in finished]
    if not done:
        found = f"finished runs, but found 0 of {len(part_of)} in the plan {plan.name!r}"
        raise _missing(store, parts, found, plan=plan.name)
    place = {id: index for index, id in enumerate(part_of)}
    rows = [row | {"part": part_of[row["run"]]} for row in store.table(done).to_pylist()]
    rows.sort(key=lambda row: place[row["run"]])
    lacking = dict.fromkeys(part_of.values()).keys() - {part_of[id] for id in done}
    return PlannedRuns(store, parts, rows, len(done), len(part_of), plan.name, tuple(sorted(lacking)))


def _belongs(part: str, names: tuple[str, ...]) -> bool:
    return not part.endswith("-audit") and any(part == name or part.startswith(f"{name}-") for name in names)


def _missing(store: Store, parts: tuple[str, ...], found: str, *, plan: str) -> MissingRunsError:
    """The error with its remedy: the size of reproduction is that in the plan's name, and small where there is none."""
    names, path = ",".join(parts), shlex.quote(str(store.path))
    size = _size(plan) or "small"
    return MissingRunsError(
        f"{names}: expected {found}; do them with deepcollapse reproduce --size {size} --store {path} --only {names}"
    )


def _size(plan: str) -> str:
    """Of a reproduction, from the name of its plan; empty for other plans."""
    words = plan.split()
    return words[1] if len(words) > 1 and words[0] == "reproduction" and words[1] in _SIZES else ""


def _ledger_plan(store: Store) -> str | None:
    file = store.path / "ledger.json"
    try:
        plan = json_object(file.read_bytes()).get("plan")
    except FileNotFoundError:
        return None
    except (OSError, InvalidInputError) as error:
        raise InvalidInputError(
            f"ledger: expected JSON in {file}, but found it damaged ({error}); delete it, or name the plan with --plan"
        ) from None
    return plan if isinstance(plan, str) else None
