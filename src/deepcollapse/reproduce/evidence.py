"""The runs of a plan that a claim rests on: what they gave, what failed, what is not done yet."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepcollapse.store import PlanRecord, Store

__all__ = ["Evidence", "PartEvidence", "StoredDocuments", "evidence"]

_CLASS = re.compile(r"^[\w.]+(Error|Exception|Interrupt): ")


@dataclass(frozen=True, slots=True)
class StoredDocuments(Sequence[Mapping[str, Any]]):
    """Results of runs, each read when it is asked for.

    Attributes:
        store: that holds the runs.
        ids: of the runs.
    """

    store: Store
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: int) -> Mapping[str, Any]:  # type: ignore[override]
        return self.store.run(self.ids[place]).document


@dataclass(frozen=True, slots=True)
class PartEvidence:
    """One part of the plan.

    Attributes:
        name: of the part.
        rows: of its finished runs, by run in the plan's order; the column ``run`` is the run's id.
        documents: results of its finished runs, in the same order.
        done: ids of finished runs.
        failed: last error line of the others that ended in an error, by id.
        pending: ids of runs that are not done.
    """

    name: str
    rows: Sequence[Mapping[str, Any]] = ()
    documents: Sequence[Mapping[str, Any]] = ()
    done: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    pending: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Runs that the plan wants."""
        return len(self.done) + len(self.failed) + len(self.pending)

    def gap(self) -> str | None:
        """Why the part is not complete; None if it is."""
        if self.failed:
            many = f"{len(self.failed)} of {self.total} runs failed" if self.total > 1 else "the run failed"
            first, *others = dict.fromkeys(_CLASS.sub("", error) for error in self.failed.values())
            return f"{self.name}: {many}{', the first' if others else ''}: {first}"
        if self.pending:
            return f"{self.name}: {len(self.pending)} of {self.total} runs are not done yet"
        return None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The parts of a plan by name.

    Attributes:
        size: of the reproduction, for what is said of parts that it leaves out.
        parts: by name.
    """

    size: str
    parts: Mapping[str, PartEvidence]

    def part(self, name: str) -> PartEvidence | None:
        """A part that is complete; None if it is not, or not in the plan."""
        found = self.parts.get(name)
        return found if found is not None and found.done and found.gap() is None else None

    def gap(self, name: str) -> str | None:
        """Why a part is not there or not complete; None if it is."""
        found = self.parts.get(name)
        return f"{name}: not run at this size ({self.size})" if found is None else found.gap()

    def gaps(self, names: Iterable[str]) -> list[str]:
        """Why parts are not there or not complete."""
        return [gap for name in names if (gap := self.gap(name)) is not None]


def evidence(store: Store, plan: PlanRecord, *, size: str) -> Evidence:
    """What the store holds of a plan."""
    done = store.done()
    errors = dict(store.status(plan.name).errors)
    ids: dict[str, list[str]] = {}
    for run in plan.runs:
        ids.setdefault(run.part, []).append(run.id)
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in store.table({run.id for run in plan.runs} & done).to_pylist():
        rows.setdefault(row["run"], []).append(row)
    parts = {}
    for name, wanted in ids.items():
        finished = tuple(id for id in wanted if id in done)
        parts[name] = PartEvidence(
            name=name,
            rows=[row for id in finished for row in rows.get(id, [])],
            documents=StoredDocuments(store, finished),
            done=finished,
            failed={id: errors[id] for id in wanted if id in errors},
            pending=tuple(id for id in wanted if id not in done and id not in errors),
        )
    return Evidence(size, parts)
