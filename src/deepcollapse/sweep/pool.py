"""Workers in processes of their own on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from deepcollapse.sweep.launcher import Job, Losses
from deepcollapse.sweep.stopping import deaf_to_interrupts
from deepcollapse.sweep.threads import cores, expect_counts, inherited, thread_environment, thread_share

__all__ = ["PoolLauncher"]

_GRACE = 30.0  # seconds to give a run back in
_STOPPED = 130  # exit code of a worker that was asked to end


@dataclass(frozen=True, slots=True)
class PoolLauncher:
    """Starts so many processes, each with its share of the cores; one that is killed is replaced.

    The processes are fresh (spawned), so a script that launches needs the usual ``if __name__ == "__main__"``.

    Attributes:
        workers: processes; 0 is one for each core.
        threads: of each; None is its share of the cores, so that they do not crowd each other.

    Raises:
        InvalidInputError: a negative number, or no threads.
    """

    workers: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        expect_counts(self.workers, self.threads)
        object.__setattr__(self, "workers", self.workers or cores())

    @property
    def name(self) -> str:
        """As on the command line."""
        return "pool"

    def run(self, job: Job) -> None:
        """Have the job done; an error of one worker ends the others."""
        threads = thread_share(self.workers, self.threads)
        numbers, losses = count(), Losses.of(job, workers=self.workers)
        with inherited(thread_environment(threads)), _crew() as crew:
            crew += [_hired(replace(job, threads=threads), next(numbers)) for _ in range(self.workers)]
            while crew:
                wait([member.process.sentinel for member in crew])
                for member in [member for member in crew if not member.process.is_alive()]:
                    crew.remove(member)
                    if member.lost():
                        losses.add(member.process.name, f"exit code {member.process.exitcode}")
                        crew.append(_hired(replace(job, threads=threads), next(numbers)))


@dataclass(frozen=True, slots=True)
class _Member:
    """A worker process and the line on which it tells how it ended."""

    process: SpawnProcess
    line: Connection

    def lost(self) -> bool:
        """Of one that has ended: whether abruptly; raises the error it ended with, if it did."""
        try:
            error = self.line.recv()
        except (EOFError, OSError):  # nothing was sent, or not all of it
            return self.process.exitcode != _STOPPED
        finally:
            self.line.close()
        if error is not None:
            raise error
        return False


@contextmanager
def _crew() -> Iterator[list[_Member]]:
    """Members that are stopped at the end, whatever it is."""
    crew: list[_Member] = []
    try:
        yield crew
    finally:
        for member in crew:
            member.process.terminate()
        for member in crew:
            member.process.join(_GRACE)
            member.process.kill()
            member.process.join()
            member.line.close()


def _hired(job: Job, number: int) -> _Member:
    context = multiprocessing.get_context("spawn")
    line, end = context.Pipe(duplex=False)
    name = f"pool-{number}"
    process = context.Process(target=_member, args=(job, name, end), name=name, daemon=True)
    with deaf_to_interrupts():
        process.start()
    end.close()
    return _Member(process, line)


def _member(job: Job, name: str, line: Connection) -> None:
    """The life of a worker process."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    try:
        job(name)
    except KeyboardInterrupt:
        os._exit(_STOPPED)
    except Exception as error:
        line.send(error)
    else:
        line.send(None)


def _end_with_launcher() -> None:
    launcher = multiprocessing.parent_process()
    if launcher is not None:
        wait([launcher.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
