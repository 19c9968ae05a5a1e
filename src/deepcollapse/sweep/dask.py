"""Workers as long tasks of a Dask cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from uuid import uuid4

from deepcollapse.errors import InvalidInputError
from deepcollapse.optional import optional_module
from deepcollapse.sweep.launcher import Job, Losses, WorkersLostError
from deepcollapse.sweep.threads import cores, expect_counts, thread_environment, thread_share
from deepcollapse.sweep.worker import WorkReport

__all__ = ["DaskLauncher"]

_GRACE = 30.0  # seconds to give a run back in
_CONNECTING = 20.0  # seconds to wait for a scheduler
_ARRIVAL = 60.0  # and for its first worker


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskLauncher:
    """Hands a Dask cluster as many long tasks as there are workers; what is to be done they find in the store.

    Attributes:
        workers: tasks; 0 is one for each worker of the cluster, and without an address one for each core.
        address: of a scheduler, such as "tcp://host:8786", whose workers see the store at the same path; None starts a
            cluster on this machine.
        threads: of each; None is a share of the cores on this machine, and what the workers have elsewhere.

    Raises:
        InvalidInputError: a negative number, or no threads.
        MissingExtraError: dask is not installed.
    """

    workers: int = 0
    address: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        expect_counts(self.workers, self.threads)
        optional_module("distributed", extra="dask")
        if self.address is None:
            object.__setattr__(self, "workers", self.workers or cores())

    @property
    def name(self) -> str:
        """As on the command line."""
        return "dask"

    def run(self, job: Job) -> None:
        """Have the job done; an error of one worker ends the others.

        Raises:
            InvalidInputError: no scheduler at the address, or no workers there.
        """
        distributed = optional_module("distributed", extra="dask")
        with self._client(distributed) as client:
            workers = self.workers or len(client.nthreads())
            threads = thread_share(workers, self.threads) if self.address is None else self.threads
            _drive(distributed, client, replace(job, threads=threads), workers=workers)

    @contextmanager
    def _client(self, distributed: Any) -> Iterator[Any]:
        if self.address is not None:
            with _connected(distributed, self.address) as client:
                yield client
            return
        settings = {"n_workers": self.workers, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
        variables = thread_environment(thread_share(self.workers, self.threads))
        with (
            distributed.LocalCluster(**settings, processes=True, env=variables) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def _connected(distributed: Any, address: str) -> Any:
    client = None
    try:
        client = distributed.Client(address, timeout=_CONNECTING)
        client.wait_for_workers(1, timeout=_ARRIVAL)
    except (OSError, ValueError) as error:  # time-outs are of the first kind, addresses that are none of the second
        if client is not None:
            client.close()
        raise InvalidInputError(
            f"address: expected a Dask scheduler with workers, but found none at {address} ({error}); start them, or "
            "correct it"
        ) from error
    return client


def _drive(distributed: Any, client: Any, job: Job, *, workers: int) -> None:
    """Dask repeats a task whose worker dies, a few times; one that it gives up is handed out anew."""
    event, numbers, losses = f"stop-{uuid4().hex}", count(), Losses.of(job, workers=workers)

    def submitted() -> Any:
        name = f"dask-{next(numbers)}"
        return client.submit(_task, job, name, event, key=f"{name}-{uuid4().hex}", pure=False)

    futures = [submitted() for _ in range(workers)]
    try:
        ended = distributed.as_completed(futures)
        for future in ended:
            if _lost(distributed, future):
                losses.add(future.key, "its Dask worker")
                futures.append(submitted())
                ended.add(futures[-1])
    except BaseException:
        if client.status == "running":
            distributed.Event(event, client=client).set()
            distributed.wait(futures, timeout=_GRACE)
        raise


def _lost(distributed: Any, future: Any) -> bool:
    """Whether a task that is over was lost with its worker; raises the error it ended with, if it did."""
    if future.cancelled():
        raise WorkersLostError(
            "workers: expected the Dask scheduler to stay, but it is gone; start it, then run the same command to go on"
        )
    error = future.exception()
    if error is not None and not isinstance(error, distributed.KilledWorker):
        raise error
    return error is not None


def _task(job: Job, worker: str, event: str) -> WorkReport | None:
    """In a thread of a Dask worker, which no signal reaches and which an interrupt must not leave."""
    from distributed import Event, get_client

    stop: Callable[[], Any] = Event(event, client=get_client()).is_set
    try:
        return job(worker, stop)
    except KeyboardInterrupt:
        return None
