"""How far a store has come, or a plan in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.claim_files import ClaimState, claim_states
from deepcollapse.store.failures import failed_attempts, read_failure
from deepcollapse.store.layout import RUNS, done_ids
from deepcollapse.store.plans import PlanRecord, read_plans
from deepcollapse.store.runs import read_notes

__all__ = ["Status", "status"]

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
    done, failures, plans = done_ids(root), failed_attempts(root), read_plans(root)
    living = {id: state for id, _, state in claim_states(root) if state.alive and id not in done}
    kinds = {run.id: str(run.spec.get("kind")) for record in plans for run in record.runs}
    ids = _selected(plans, plan) if plan is not None else {*kinds, *done, *living}
    finished, running = ids & done, ids & living.keys()
    failed = sorted((ids & failures.keys()) - done - running)
    pending = ids - done - running - set(failed)
    seconds = _Seconds(root, done, kinds)
    return Status(
        plan=plan,
        total=len(ids),
        done=len(finished),
        running=len(running),
        failed=len(failed),
        pending=len(pending),
        eta_seconds=seconds.left(pending | running, workers=_workers(living.values())),
        errors=tuple((id, read_failure(root, id, failures[id][-1]).error) for id in failed),
    )


def _selected(plans: Sequence[PlanRecord], name: str) -> set[str]:
    for record in plans:
        if record.name == name:
            return {run.id for run in record.runs}
    names = ", ".join(record.name for record in plans) or "none in this store"
    raise InvalidInputError(f"plan: expected one of {names}, but found {name!r}; name one of them")


def _workers(claims: Iterable[ClaimState]) -> int:
    return len({(claim.worker, claim.host, claim.pid) for claim in claims})


@dataclass(frozen=True, slots=True)
class _Seconds:
    """What runs take, from the notes of those that are done."""

    root: Path
    done: set[str]
    kinds: Mapping[str, str]

    def left(self, ids: set[str], *, workers: int) -> float | None:
        """Seconds until these runs are done."""
        if not ids:
            return 0.0
        counts: dict[str, int] = defaultdict(int)
        for id in ids:
            counts[self.kinds.get(id, "")] += 1
        means = {kind: self._mean(kind) for kind in counts}
        known = [count * mean for kind, count in counts.items() if (mean := means[kind]) is not None]
        return sum(known) / workers if workers and len(known) == len(counts) else None

    def _mean(self, kind: str) -> float | None:
        finished = sorted(id for id in self.done if self.kinds.get(id) == kind)[:_SAMPLE]
        notes = (read_notes(self.root / RUNS / id).get("seconds") for id in finished)
        seconds = [value for value in notes if isinstance(value, int | float)]
        return sum(seconds) / len(seconds) if seconds else None
