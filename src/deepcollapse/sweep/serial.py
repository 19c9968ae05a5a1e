"""One worker, in this process."""

from dataclasses import dataclass, replace

from deepcollapse.sweep.launcher import Job
from deepcollapse.sweep.threads import expect_counts

__all__ = ["SerialLauncher"]


@dataclass(frozen=True, slots=True)
class SerialLauncher:
    """Works in this process: for debugging, and for few runs.

    Attributes:
        threads: to compute with; None leaves it at what the process has.

    Raises:
        InvalidInputError: no threads.
    """

    threads: int | None = None

    def __post_init__(self) -> None:
        expect_counts(1, self.threads)

    @property
    def name(self) -> str:
        """As on the command line."""
        return "serial"

    @property
    def workers(self) -> int:
        """This process."""
        return 1

    def run(self, job: Job) -> None:
        """Do the job here."""
        replace(job, threads=self.threads)("serial")
