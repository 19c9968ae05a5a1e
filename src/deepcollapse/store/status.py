"""How far a store, or a plan in it, has come."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.claims import claim_states
from deepcollapse.store.failures import failed_attempts, read_failure
from deepcollapse.store.layout import RUNS, done_ids
from deepcollapse.store.plans import read_plans
from deepcollapse.store.runs import read_notes

__all__ = ["Status", "status"]

_SAMPLE = 300  # finished runs of a kind whose time is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How many runs there are, and in what state; each run is in one.

    Attributes:
        plan: its name; None for the whole store.
        total: runs.
        done: finished.
        running: held by a living worker.
        failed: whose last attempt ended in an error, and that no one holds.
        pending: the rest.
        eta_seconds: until all but the failed are done; None where nothing is known.
        errors: id and last line of the traceback of each failed run.
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
        return {name: getattr(self, name) for name in names} | {
            "errors": [{"id": id, "error": error} for id, error in self.errors]
        }


def status(root: Path, plan: str | None = None) -> Status:
    """How far a store has come, or one of its plans.

    Raises:
        InvalidInputError: no plan of this name.
    """
    done, failed = done_ids(root), failed_attempts(root)
    running = {id for id, _, state in claim_states(root) if state.alive} - done
    plans = read_plans(root)
    kinds = {run.id: str(run.spec.get("kind")) for record in plans for run in record.runs}
    if plan is None:
        ids = kinds.keys() | done | running
    else:
        ids = {run.id for record in plans if record.name == plan for run in record.runs}
        if plan not in {record.name for record in plans}:
            names = ", ".join(record.name for record in plans) or "none"
            raise InvalidInputError(f"plan: expected one of {names}, but found {plan!r}; name one of them")
    wrong = (ids & failed.keys()) - done - running
    pending = ids - done - running - wrong
    return Status(
        plan=plan,
        total=len(ids),
        done=len(ids & done),
        running=len(ids & running),
        failed=len(wrong),
        pending=len(pending),
        eta_seconds=_eta(root, (pending | running) & ids, done=done, kinds=kinds, workers=len(running)),
        errors=tuple((id, read_failure(root, id, failed[id][-1]).error) for id in sorted(wrong)),
    )


def _eta(root: Path, left: Iterable[str], *, done: set[str], kinds: Mapping[str, str], workers: int) -> float | None:
    left = list(left)
    if not left:
        return 0.0
    of_kind = defaultdict(list)
    for id in sorted(done & kinds.keys()):
        of_kind[kinds[id]].append(id)
    means = {}
    for kind in {kinds.get(id, "") for id in left}:
        seconds = [read_notes(root / RUNS / id).get("seconds") for id in of_kind[kind][:_SAMPLE]]
        known = [value for value in seconds if isinstance(value, int | float)]
        if not known:
            return None
        means[kind] = sum(known) / len(known)
    return sum(means[kinds.get(id, "")] for id in left) / max(1, workers)
