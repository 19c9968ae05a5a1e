"""Workers as jobs of a Slurm cluster, by submitit."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from deepcollapse.errors import InvalidInputError
from deepcollapse.optional import optional_module
from deepcollapse.sweep.launcher import Job, Losses
from deepcollapse.sweep.threads import expect_counts, inherited, thread_environment
from deepcollapse.sweep.worker import WorkReport

__all__ = ["SlurmLauncher"]

_LOOKS = {"slurm": 5.0, "local": 0.1, "debug": 0.0}  # seconds between looks at the jobs
_GRACE = 60.0  # seconds to give a run back in
_PATIENCE = 60.0  # seconds for an answer of Slurm
_TIMEOUTS = 10**6  # that submitit bears: a sweep takes as long as it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmLauncher:
    """Submits so many workers, not runs: each works until nothing is left.

    A job that comes to its time limit, or that is preempted, gives its run back and is queued again.

    Attributes:
        workers: jobs; 0 is one.
        threads: cores of each; None is one.
        cluster: "slurm"; "local" runs the jobs as processes of this machine, "debug" in this process.
        hours: time limit of a job.
        memory: GB of a job; None is the cluster's default.
        partition: None is the cluster's default.
        options: further ones of submitit's Slurm executor, by its names ("account", "gres", "qos").
        logs: folder of what the jobs print, seen by all; None is ``slurm`` in the store.

    Raises:
        InvalidInputError: a negative number, or no threads.
        MissingExtraError: submitit is not installed.
    """

    workers: int = 0
    threads: int | None = None
    cluster: Literal["slurm", "local", "debug"] = "slurm"
    hours: float = 24.0
    memory: float | None = None
    partition: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    logs: Path | None = None

    def __post_init__(self) -> None:
        expect_counts(self.workers, self.threads)
        optional_module("submitit", extra="slurm")
        object.__setattr__(self, "workers", self.workers or 1)
        object.__setattr__(self, "threads", self.threads or 1)

    @property
    def name(self) -> str:
        """As on the command line."""
        return "slurm"

    def run(self, job: Job) -> None:
        """Have the job done; an error of one worker ends the others.

        Raises:
            InvalidInputError: no Slurm here, or it refuses the jobs.
        """
        submitit = optional_module("submitit", extra="slurm")
        executor = self._executor(submitit, self.logs or job.store / "slurm")
        numbers, losses = count(), Losses.of(job, workers=self.workers)
        threads = self.threads or 1
        worker = _SlurmWorker(replace(job, threads=threads))

        def submitted(workers: int) -> list[Any]:
            with inherited(thread_environment(threads)), _refusals():
                return executor.map_array(worker, [f"slurm-{next(numbers)}" for _ in range(workers)])

        with _cancelled_at_the_end() as crew:
            crew += submitted(self.workers)
            while crew:
                vanished = _vanished([member for member in crew if member.state == "UNKNOWN"])
                for member in [member for member in crew if member.done() or member in vanished]:
                    crew.remove(member)
                    if how := _lost(member, submitit) if member.done() else "no result":
                        losses.add(f"job {member.job_id}", how)
                        crew += submitted(1)
                time.sleep(_LOOKS[self.cluster])

    def _executor(self, submitit: Any, logs: Path) -> Any:
        with _refusals():
            executor = submitit.AutoExecutor(folder=logs, cluster=self.cluster, slurm_max_num_timeout=_TIMEOUTS)
            executor.update_parameters(
                name="deepcollapse",
                timeout_min=max(1, round(60 * self.hours)),
                cpus_per_task=self.threads,
                mem_gb=self.memory,
                slurm_partition=self.partition,
                slurm_array_parallelism=self.workers,
                **{f"slurm_{name}": value for name, value in self.options.items()},
            )
        return executor


@dataclass(frozen=True, slots=True)
class _SlurmWorker:
    """What a job does."""

    job: Job

    def __call__(self, name: str) -> WorkReport | Exception:
        """An error is handed over as it is; submitit would make a text of it."""
        try:
            return self.job(name)
        except Exception as error:
            return error

    def checkpoint(self, name: str) -> Any:
        """Asked by submitit before a job is queued again; what is worth keeping is in the store."""
        return optional_module("submitit", extra="slurm").helpers.DelayedSubmission(self, name)


def _lost(member: Any, submitit: Any) -> str:
    """How a job that is over ended abruptly, or nothing; raises the error it handed over, if it did."""
    try:
        result = member.result()
    except submitit.core.utils.UncompletedJobError as error:
        return str(error).partition("\n")[0]
    if isinstance(result, Exception):
        raise result
    return ""


def _vanished(members: list[Any]) -> list[Any]:
    """Jobs that are not in Slurm's queue any more, of those of which its accounting, if there is any, says nothing."""
    if not members:
        return []
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(job.job_id for job in members)}"]
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=_PATIENCE, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # no answer is no news
        return []
    known = found.returncode == 0 or "Invalid job id" in found.stderr
    return [job for job in members if known and job.job_id not in found.stdout.split()]


@contextmanager
def _refusals() -> Iterator[None]:
    """What submitit says of a missing cluster, of options it does not know, and of those that Slurm refuses."""
    try:
        yield
    except (RuntimeError, NameError, AssertionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"slurm: expected a cluster that takes the jobs, but found: {reason}; correct the options, or take another "
            "launcher"
        ) from error


@contextmanager
def _cancelled_at_the_end() -> Iterator[list[Any]]:
    """Jobs; those that are still among them when the block ends are cancelled and waited for."""
    crew: list[Any] = []
    try:
        yield crew
    finally:
        for member in crew:
            member.cancel(check=False)
        until = time.monotonic() + _GRACE
        while crew and time.monotonic() < until:
            crew = [member for member in crew if member.state in ("RUNNING", "COMPLETING")]
            time.sleep(0.1)
