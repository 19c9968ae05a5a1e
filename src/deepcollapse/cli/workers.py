"""Command line options that say who does the runs of a plan, shared by the commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from deepcollapse.cli.model import Real, Whole
from deepcollapse.cli.output import progress_bars
from deepcollapse.errors import InvalidInputError
from deepcollapse.store import Store
from deepcollapse.sweep import DaskLauncher, Launcher, Plan, PoolLauncher, Progress, SerialLauncher, SlurmLauncher

__all__ = ["Workers", "runs_bar", "runs_done"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the runs."""

    launcher: Literal["serial", "pool", "dask", "slurm"] = "pool"
    "In this process, in processes of this machine, on a Dask cluster, or as jobs of a Slurm cluster."
    workers: Whole = 0
    "Number of workers; 0 means one for each core, one for each worker of a Dask address, or one Slurm job."
    threads: Whole | None = None
    "Threads of each worker; default its share of the cores (Slurm: 1; a Dask address: what its workers have)."
    address: str | None = None
    "Address of a Dask scheduler; without it a cluster is started on this machine."
    partition: str | None = None
    "Slurm partition; default the cluster's."
    hours: Real | None = None
    "Time limit of a Slurm job, which is queued again when it comes to it; default 24."
    memory: Real | None = None
    "Memory of a Slurm job in GB."

    def chosen(self) -> Launcher:
        """The launcher; raises InvalidInputError for options that it does not take."""
        self._expect_taken(dask=("address",), slurm=("partition", "hours", "memory"))
        if self.launcher == "serial":
            return SerialLauncher(threads=self.threads)
        if self.launcher == "dask":
            return DaskLauncher(workers=self.workers, address=self.address, threads=self.threads)
        if self.launcher == "slurm":
            return SlurmLauncher(
                workers=self.workers,
                threads=self.threads,
                partition=self.partition,
                hours=24.0 if self.hours is None else self.hours,
                memory=self.memory,
            )
        return PoolLauncher(workers=self.workers, threads=self.threads)

    def _expect_taken(self, **options: tuple[str, ...]) -> None:
        for launcher, names in options.items():
            for name in names:
                value = getattr(self, name)
                if value is not None and self.launcher != launcher:
                    raise InvalidInputError(
                        f"{name}: expected none with the launcher {self.launcher}, but found {value}; add --launcher "
                        f"{launcher}"
                    )


def runs_done(store: Store, plan: Plan) -> str:
    """How much of a plan is in a store, for whoever interrupts the command."""
    done = len(store.done() & set(plan.ids))
    return f"{done} of {len(plan.ids)} runs are done, the same command goes on"


@contextmanager
def runs_bar() -> Iterator[Progress]:
    """A progress bar of runs on standard error that also counts how seeds and networks ended."""
    with progress_bars() as advance:
        yield lambda done, total, ends: advance("runs", done, total, note=ends.sentence() if ends.total else "")
