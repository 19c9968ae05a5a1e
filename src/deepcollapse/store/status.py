"""How far a store has come, or a plan in it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.store.claim_files import ClaimState, claim_states
from deepcollapse.store.failures import failed_attempts, read_failure
from deepcollapse.store.layout import RUNS, done_ids
from deepcollapse.store.plans import PlanRecord, plan_named, read_plans
from deepcollapse.store.runs import read_notes

__all__ = ["Status", "status", "statuses"]

_SAMPLE = 200  # finished runs of a kind that are looked at for their time; ids are random


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How many runs there are, each in one of four states.

    Attributes:
        plan: its name; None for the whole store.
        total: runs.
        done: finished.
        running: held by a living worker.
        failed: of which an attempt ended in an error, and that are neither done nor running.
        pending: the rest.
        eta_seconds: until the running and the pending ones are done: mean seconds of finished runs of the same kind,
            shared by the living workers. None where no worker lives, or nothing is known of a kind.
        errors: id and last line of the last traceback of each failed run.
    """

    plan: str | None
    total: int
    done: int
    running: int
    failed: int
    pending: int
    eta_seconds: float | None
    errors: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        names = ("plan", "total", "done", "running", "failed", "pending", "eta_seconds")
        errors = [{"id": id, "error": error} for id, error in self.errors]
        return {**{name: getattr(self, name) for name in names}, "errors": errors}


def status(root: Path, plan: str | None = None) -> Status:
    """How far a store has come, or one of its plans.

    Raises:
        InvalidInputError: no plan of this name, or a damaged file.
    """
    return _Snapshot.of(root).status(plan)


def statuses(root: Path) -> tuple[Status, ...]:
    """How far each plan has come, by name, and at last the whole store.

    Raises:
        InvalidInputError: a damaged file.
    """
    snapshot = _Snapshot.of(root)
    return tuple(map(snapshot.status, (*(plan.name for plan in snapshot.plans), None)))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A store at a moment.

    Attributes:
        root: of the store.
        plans: by name.
        kinds: of the runs that are planned, by id.
        done: ids.
        living: claims by id.
        failures: attempts by id.
    """

    root: Path
    plans: tuple[PlanRecord, ...]
    kinds: dict[str, str]
    done: set[str]
    living: dict[str, ClaimState]
    failures: dict[str, list[int]]

    @classmethod
    def of(cls, root: Path) -> "_Snapshot":
        done, plans = done_ids(root), read_plans(root)
        living = {id: state for id, _, state in claim_states(root) if state.alive and id not in done}
        kinds = {run.id: str(run.spec.get("kind")) for record in plans for run in record.runs}
        return cls(root, plans, kinds, done, living, failed_attempts(root))

    def status(self, plan: str | None) -> Status:
        """Of a plan, or of all."""
        ids = {*self.kinds, *self.done, *self.living}
        if plan is not None:
            ids = {run.id for run in plan_named(self.plans, plan).runs}
        finished, running = ids & self.done, ids & self.living.keys()
        failed = sorted((ids & self.failures.keys()) - finished - running)
        pending = ids - finished - running - set(failed)
        return Status(
            plan=plan,
            total=len(ids),
            done=len(finished),
            running=len(running),
            failed=len(failed),
            pending=len(pending),
            eta_seconds=self._seconds_left(pending | running),
            errors=tuple((id, read_failure(self.root, id, self.failures[id][-1]).error) for id in failed),
        )

    def _seconds_left(self, ids: set[str]) -> float | None:
        if not ids:
            return 0.0
        counts = Counter(self.kinds.get(id, "") for id in ids)
        means = {kind: self._mean_seconds(kind) for kind in counts}
        known = [count * mean for kind, count in counts.items() if (mean := means[kind]) is not None]
        workers = {(claim.worker, claim.host, claim.pid) for claim in self.living.values()}
        return sum(known) / len(workers) if workers and len(known) == len(counts) else None

    def _mean_seconds(self, kind: str) -> float | None:
        finished = sorted(id for id in self.done if self.kinds.get(id) == kind)[:_SAMPLE]
        notes = (read_notes(self.root / RUNS / id).get("seconds") for id in finished)
        seconds = [value for value in notes if isinstance(value, int | float)]
        return sum(seconds) / len(seconds) if seconds else None
