"""What a launcher is: it has a job done by workers, wherever they run."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from deepcollapse.errors import DeepcollapseError, InvalidInputError
from deepcollapse.simulate import STATUSES
from deepcollapse.store import Status, Store
from deepcollapse.sweep.ends import Ends, ends
from deepcollapse.sweep.plan import Plan
from deepcollapse.sweep.stopping import interruptible
from deepcollapse.sweep.worker import DEATHS, LEASE, WorkReport, work

__all__ = ["Job", "Launcher", "Losses", "Progress", "WorkersLostError", "launch"]

Progress = Callable[[int, int, Ends], None]
"""Called with the runs that are done, all runs, and how the seeds and networks of the done ones ended."""

_LOOK = 0.5  # seconds between looks at how far the store is
_AT_ONCE = 2000  # runs whose ends are read in one look, about a second of work


class WorkersLostError(DeepcollapseError, RuntimeError):
    """Workers ended abruptly, again and again, and nothing got done in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every worker of a launch does; called with the worker's name, in its process.

    Attributes:
        store: its folder.
        plan: its name in the store.
        lease: see ``work``.
        threads: see ``work``.
        forgiven: see ``work``.
    """

    store: Path
    plan: str
    lease: float = LEASE
    threads: int | None = None
    forgiven: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, worker: str, stop: Callable[[], bool] | None = None) -> WorkReport:
        """Work until nothing is left."""
        return work(
            self.store,
            plan=self.plan,
            worker=worker,
            lease=self.lease,
            threads=self.threads,
            forgiven=self.forgiven,
            stop=stop,
        )

    def settled(self) -> int:
        """How many runs are done or failed."""
        status = Store.open(self.store).status(self.plan)
        return status.done + status.failed


@runtime_checkable
class Launcher(Protocol):
    """Starts workers and waits for them."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def workers(self) -> int:
        """How many it starts; 0 for as many as the cluster has."""
        ...

    def run(self, job: Job) -> None:
        """Have the job done; returns when every worker has found nothing left to do.

        Raises:
            StoreError: a worker met a full or read-only disk; the others have been stopped.
            WorkersLostError: workers end abruptly faster than they work.
            KeyboardInterrupt: after all workers have been stopped.
        """
        ...


@dataclass(slots=True)
class Losses:
    """Workers lost since a run was last settled; too many mean that it is not the runs.

    Attributes:
        job: that they worked on.
        most: that may be lost in a row: a run that kills its worker is given up after ``DEATHS`` of them.
    """

    job: Job
    most: int
    _lost: int = 0
    _settled: int = 0

    @classmethod
    def of(cls, job: Job, *, workers: int) -> "Losses":
        """Allowing every worker a run that kills it."""
        return cls(job, (DEATHS + 1) * workers)

    def add(self, worker: str, how: str) -> None:
        """Count a lost worker.

        Raises:
            WorkersLostError: it was one too many.
        """
        settled = self.job.settled()
        self._lost = self._lost + 1 if settled == self._settled else 1
        self._settled = settled
        if self._lost > self.most:
            raise WorkersLostError(
                f"workers: expected them to work on, but {self._lost} in a row ended abruptly and finished no run, the "
                f"last of them, {worker}, with {how}; look for what ends them (memory?), then the same command goes on"
            )


def launch(
    store: Store,
    plan: Plan,
    *,
    launcher: Launcher,
    lease: float = LEASE,
    retry: bool = False,
    progress: Progress | None = None,
) -> Status:
    """Have a plan done, from where it stands.

    Args:
        store: gets the plan if it does not hold it; runs that it holds already, of whatever plan, are not done again.
        plan: of runs.
        launcher: of the workers.
        lease: seconds without a sign of life after which a run is taken from its worker.
        retry: try runs again that failed in an earlier launch.
        progress: called now and then, from another thread.

    Returns:
        how the plan stands at the end; runs that failed are in it.

    Raises:
        InvalidInputError: the store holds another plan of this name, or a lease that is not positive.
        StoreError: full disk or the like; the same call goes on when it is mended.
        WorkersLostError: workers ended abruptly, again and again.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, after all workers have been stopped.
    """
    if not lease > 0:
        raise InvalidInputError(f"lease: expected seconds > 0, but found {lease:g}; {LEASE:g} is usual")
    store.enqueue(plan.name, plan.queued(), plan.document)
    failed = [id for id, _ in store.status(plan.name).errors] if retry else []
    forgiven = {id: store.failures(id)[-1].attempt for id in failed}
    watched = _watched(store, plan.ids, progress) if progress else nullcontext()
    with interruptible(), watched:
        launcher.run(Job(store=store.path.absolute(), plan=plan.name, lease=lease, forgiven=forgiven))
    return store.status(plan.name)


@contextmanager
def _watched(store: Store, ids: tuple[str, ...], progress: Progress) -> Iterator[None]:
    """Report how many of the runs are done, from a thread: whoever does them, the store knows."""
    wanted, count, ended = set(ids), _EndsSoFar(store), threading.Event()

    def report() -> None:
        done = wanted & store.done()
        progress(len(done), len(wanted), count(done))

    def look() -> None:
        while not ended.is_set():
            with suppress(OSError):  # a disk that hangs is for the workers to tell
                report()
            ended.wait(_LOOK)

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        report()


@dataclass(slots=True)
class _EndsSoFar:
    """Counts ends from the rows of runs that are new since the last call; no run is read twice.

    Attributes:
        store: of the runs.
    """

    store: Store
    _seen: set[str] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, done: Set[str]) -> Ends:
        """The ends of these runs; of many that are new, some wait for the next call."""
        new = sorted(done - self._seen)[:_AT_ONCE]
        with suppress(InvalidInputError):  # damaged rows are for the command's last line to tell
            self._counts.update(ends(self.store, new).counts)
        self._seen.update(new)
        return Ends({status: self._counts[status] for status in STATUSES})
