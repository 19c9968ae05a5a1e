"""What crashed workers left, and how it is removed while others go on."""

import os
import shutil
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.errors import InvalidInputError
from deepcollapse.store.claim_files import claim_path, claim_states, remove_claims, time_of_store
from deepcollapse.store.claims import claim_run
from deepcollapse.store.disk import beside, flush
from deepcollapse.store.failures import failed_attempts, failure_path
from deepcollapse.store.faults import writing
from deepcollapse.store.layout import FAILURES, RUNS, STAGING, TABLE, WORK, done_ids, entries
from deepcollapse.store.plans import read_plans

__all__ = ["Removed", "remove_garbage"]

_LEASE = 600.0  # seconds; younger leftovers of no known claim may be in use
_ID = 16  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed, or would be: names in the folders of the store.

    Attributes:
        claims: of workers that are dead or gave their run back.
        staging: what was being written when a worker died.
        work: work folders of finished runs, and of runs that no plan names if these are removed.
        runs: finished runs that no plan names.
        failures: of runs that no plan names.
    """

    claims: tuple[str, ...]
    staging: tuple[str, ...]
    work: tuple[str, ...]
    runs: tuple[str, ...]
    failures: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return {name: list(getattr(self, name)) for name in ("claims", "staging", "work", "runs", "failures")}


def remove_garbage(root: Path, *, dry: bool, unplanned: bool) -> Removed:
    """Find what no one needs any more, and remove it unless ``dry``.

    Raises:
        InvalidInputError: ``unplanned`` where there is no plan, or a damaged plan.
        StoreError: the disk does not let it be removed.
    """
    scan = _Scan.of(root, unplanned=unplanned)
    found = scan.garbage()
    if not dry:
        with writing("removal", root):
            _remove_runs(root, found.runs)
            for name in found.failures:
                (root / FAILURES / name).unlink(missing_ok=True)
            for name in found.staging:
                _remove(root / STAGING / name)
            for id in scan.done & set(found.work):
                _remove(root / WORK / id)
            for id in scan.claims.keys() | (set(found.work) - scan.done):
                _remove_claims(scan, id)
    return found


@dataclass(frozen=True, slots=True)
class _Scan:
    """The store at a moment, but for runs that living workers hold.

    Attributes:
        root: of the store.
        claims: numbers of each run's claims, all of them dead.
        leftovers: names in the staging folder that no living worker needs.
        done: ids.
        worked: ids of work folders.
        failed: attempts by id.
        strange: ids that no plan names; empty where these should stay.
    """

    root: Path
    claims: dict[str, list[int]]
    leftovers: frozenset[str]
    done: frozenset[str]
    worked: frozenset[str]
    failed: dict[str, list[int]]
    strange: frozenset[str]

    @classmethod
    def of(cls, root: Path, *, unplanned: bool) -> "_Scan":
        staged = list(entries(root / STAGING))  # before the claims: whoever writes there has made one
        claims = [(id, number, state.alive) for id, number, state in claim_states(root)]
        living = {id for id, _, alive in claims if alive}
        dead: dict[str, list[int]] = {}
        for id, number, _ in claims:
            if id not in living:
                dead.setdefault(id, []).append(number)
        done, worked = done_ids(root) - living, {entry.name for entry in entries(root / WORK)} - living
        now = time_of_store(root)
        left = (entry.name for entry in staged if _is_left(entry, living, done | dead.keys(), now=now))
        failed = {id: attempts for id, attempts in failed_attempts(root).items() if id not in living}
        strange = {*done, *worked, *failed} - _planned(root) if unplanned else set()
        return cls(root, dead, frozenset(left), frozenset(done), frozenset(worked), failed, frozenset(strange))

    def garbage(self) -> Removed:
        """What of it may go."""
        claims = [claim_path(self.root, id, n) for id, found in self.claims.items() for n in found]
        failures = [failure_path(self.root, id, n) for id in self.strange & self.failed.keys() for n in self.failed[id]]
        return Removed(
            claims=_sorted(path.name for path in claims if path.exists()),
            staging=_sorted(self.leftovers),
            work=_sorted(self.worked & (self.done | self.strange)),
            runs=_sorted(self.done & self.strange),
            failures=_sorted(path.name for path in failures),
        )


def _is_left(entry: os.DirEntry, living: Set[str], ended: Set[str], *, now: float) -> bool:
    """Whether no one writes it: a result of a run that no one does now, or something else that is old."""
    id = entry.name[:_ID]
    try:
        return id not in living and ((id in ended and entry.is_dir()) or now - entry.stat().st_mtime > _LEASE)
    except FileNotFoundError:
        return False


def _planned(root: Path) -> set[str]:
    if not (plans := read_plans(root)):
        raise InvalidInputError(
            f"unplanned: expected a plan that names the runs to keep, but found none in {root}; to be rid of all runs, "
            "delete the folder"
        )
    return {run.id for plan in plans for run in plan.runs}


def _remove_runs(root: Path, ids: tuple[str, ...]) -> None:
    """Take runs out of the store, each in one step; first the table that holds their rows."""
    if ids:
        (root / TABLE).unlink(missing_ok=True)
        flush(root)
    for id in ids:
        part = beside(root / STAGING, id)
        os.rename(root / RUNS / id, part)
        _remove(part)


def _remove_claims(scan: _Scan, id: str) -> None:
    """Remove dead claims, and of a run that no plan names what was kept for the next attempt.

    Where the run is not done, someone may claim it at any moment; so it is claimed here first.
    """
    if id in scan.done:
        remove_claims(scan.root, id, scan.claims[id], last=max(scan.claims[id]))
    elif claim := claim_run(scan.root, id, worker="gc", lease=_LEASE):
        if id in scan.strange:
            _remove(claim.work)
        with suppress(OSError):  # where it holds something
            claim.work.rmdir()
        remove_claims(scan.root, id, scan.claims.get(id, ()), last=claim.number)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
