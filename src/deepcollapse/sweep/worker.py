"""The worker loop: claim a run, do it, keep its result, until nothing of the plan is left."""

import errno
import random
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal

from deepcollapse import __version__
from deepcollapse.errors import BusyError, DeepcollapseError
from deepcollapse.experiments.run_kinds import run_spec
from deepcollapse.store import Claim, ClaimLostError, Outcome, Queued, Store, StoreError
from deepcollapse.sweep.heartbeat import heartbeat
from deepcollapse.sweep.stopping import interruptible
from deepcollapse.sweep.threads import use_threads

__all__ = ["DEATHS", "FAILURES", "LEASE", "WorkReport", "WorkerDiedError", "work"]

LEASE = 120.0  # seconds
FAILURES = 2  # attempts that end in an error, then the run is left
DEATHS = 5  # workers that die with a run, then it counts as failed
_PAUSES = (0.05, 5.0)  # seconds between looks at runs of others: from the first to the last
_SHORTER = ("landscape", "simulate", "theory")  # than a training; long ones first, so that the last are short
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

Ended = Literal["done", "failed", "skipped"]


class WorkerDiedError(DeepcollapseError, RuntimeError):
    """Several workers ended abruptly with the same run."""


@dataclass(slots=True)
class WorkReport:
    """What one worker did.

    Attributes:
        done: runs it finished.
        failed: attempts of it that ended in an error.
        skipped: runs of the plan that others did, or that were given up.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def attempts(self) -> int:
        """Runs that it began and brought to an end, good or bad."""
        return self.done + self.failed


def work(
    store_path: str | PathLike[str],
    *,
    plan: str,
    worker: str,
    lease: float = LEASE,
    threads: int | None = None,
    forgiven: Mapping[str, int] | None = None,
    stop_after: int | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WorkReport:
    """Work on a plan until each of its runs is done or given up, beside any number of other workers.

    A run that ends in an error is tried once more, by whoever comes first; then it is left, with its traceback. The
    second attempt goes on with what the first one kept. A run with which ``DEATHS`` workers died counts as failed. Runs
    of others are waited for, and taken over if their workers die. Ctrl-C and SIGTERM give the run in hand back.

    Args:
        store_path: a store that holds the plan.
        plan: its name.
        worker: a name for people to read; workers of different names begin at different runs.
        lease: seconds without a sign of life after which others may take a run over.
        threads: to compute with; None leaves it at what the process has.
        forgiven: attempts by run that count no more; later ones do.
        stop_after: end after so many runs, done or failed; None is all.
        stop: asked from time to time whether to end, as Ctrl-C does.
        progress: called with the runs that are settled, as far as this worker knows, and all.

    Raises:
        InvalidInputError: no store, or no such plan in it.
        StoreError: the disk is full or read-only; this does not count against the run in hand.
        KeyboardInterrupt: stopped from outside.
    """
    store = Store.open(store_path)
    runs = _in_own_order({run.id: run for run in store.plan(plan).runs}.values(), worker)
    report, pause = WorkReport(), _PAUSES[0]
    with use_threads(threads), interruptible() as asked:
        asks = (lambda: asked.is_set() or stop()) if stop else asked.is_set
        hand = _Hand(store, worker, lease, forgiven=forgiven or {}, stop=asks)
        while left := hand.left(runs):
            settled, before = len(runs) - len(left), report.attempts
            for run in left:
                ended = hand.attempt(run)
                report.done += ended == "done"
                report.failed += ended == "failed"
                settled += ended == "done"
                if progress and ended != "skipped":
                    progress(settled, len(runs))
                if report.attempts == stop_after:
                    return _closed(report, runs)
            if report.attempts > before:
                pause = _PAUSES[0]
            else:
                time.sleep(pause)
                pause = min(2 * pause, _PAUSES[1], lease / 4)
    return _closed(report, runs)


@dataclass(frozen=True, slots=True)
class _Hand:
    """A worker's dealings with the store."""

    store: Store
    worker: str
    lease: float
    forgiven: Mapping[str, int] = field(kw_only=True)
    stop: Callable[[], bool] = field(kw_only=True)
    given_up: set[str] = field(default_factory=set)

    def left(self, runs: Sequence[Queued]) -> list[Queued]:
        """Those neither done nor given up."""
        settled = self.store.done() | self.given_up
        return [run for run in runs if run.id not in settled]

    def attempt(self, run: Queued) -> Ended:
        """Do a run if no one else does."""
        if self.stop():
            raise KeyboardInterrupt
        if self._spent(run.id):
            return "skipped"
        claim = self.store.claim(run.id, self.worker, self.lease)
        if claim is None:
            return "skipped"
        try:
            if self._spent(run.id):  # in the meantime
                claim.release()
                return "skipped"
            return self._do(run, claim)
        except ClaimLostError:
            return "skipped"
        except BaseException:
            with suppress(StoreError):
                claim.release()
            raise

    def _do(self, run: Queued, claim: Claim) -> Ended:
        try:
            self._expect_survivors(claim)
            self.store.commit(claim, self._outcome(run, claim))
        except (ClaimLostError, StoreError):
            raise
        except BusyError:  # whoever the run was taken from is still at work in its folder
            claim.release()
            return "skipped"
        except Exception as error:
            _expect_disk(error, self.store)
            claim.expect_held()
            if self._failures(run.id) and not isinstance(error, WorkerDiedError):
                shutil.rmtree(claim.work, ignore_errors=True)  # it failed twice: what it left may be the reason
            self.store.fail(claim, error)
            return "failed"
        return "done"

    def _outcome(self, run: Queued, claim: Claim) -> Outcome:
        spec = run_spec(run.spec)
        with heartbeat(claim, stop=self.stop) as check:
            result = spec.result(claim.work, check)
        notes = {**result.notes, "version": __version__}
        return Outcome(run.spec, result.rows, result.arrays, result.document, notes)

    def _spent(self, id: str) -> bool:
        """Whether the run has failed too often to be tried again."""
        if len(self._failures(id)) >= FAILURES:
            self.given_up.add(id)
        return id in self.given_up

    def _failures(self, id: str) -> list[int]:
        since = self.forgiven.get(id, 0)
        return [failure.attempt for failure in self.store.failures(id) if failure.attempt > since]

    def _expect_survivors(self, claim: Claim) -> None:
        deaths = claim.attempt - 1 - self.forgiven.get(claim.id, 0) - len(self._failures(claim.id))
        if deaths >= DEATHS:
            self.given_up.add(claim.id)
            raise WorkerDiedError(
                f"run: expected a worker to survive it, but the worker died {deaths} times (out of memory?); lower its "
                "sizes, or the number of workers"
            )


def _in_own_order(runs: Collection[Queued], worker: str) -> list[Queued]:
    """Trainings first, as the plan orders them; then long kinds first, else shuffled.

    Each worker shuffles in another way: so two of them seldom reach for the same run.
    """
    trainings = [run for run in runs if run.spec.get("kind") not in _SHORTER]
    others = [run for run in runs if run.spec.get("kind") in _SHORTER]
    random.Random(worker).shuffle(others)
    return trainings + sorted(others, key=lambda run: _SHORTER.index(run.spec["kind"]))


def _closed(report: WorkReport, runs: Sequence[Queued]) -> WorkReport:
    report.skipped = len(runs) - report.done
    return report


def _expect_disk(error: BaseException, store: Store) -> None:
    """A run that could not write its files has not failed: the disk has."""
    for link in _chain(error):
        full = "No space left on device" in str(link)  # libraries that write files have errors of their own
        if full or (isinstance(link, OSError) and link.errno in _DISK):
            raise StoreError(
                f"work folder: expected to write in {store.path}, but found: {link}; free some space on that disk, or "
                "make it writable, and run again; nothing that was finished is lost"
            ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
