"""Workers in processes of their own on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from deepcollapse.errors import InvalidInputError
from deepcollapse.sweep.launcher import Job, Losses
from deepcollapse.sweep.stopping import deaf_to_interrupts
from deepcollapse.sweep.threads import cores, expect_counts, inherited, thread_environment, thread_share

__all__ = ["PoolLauncher"]

_GRACE = 30.0  # seconds to give a run back in
_STOPPED = 130  # exit code of a worker that was asked to end


@dataclass(frozen=True, slots=True)
class PoolLauncher:
    """Starts so many processes, each with its share of the cores; one that is killed is replaced.

    The processes are fresh (spawned), so a script that launches needs the usual ``if __name__ == "__main__"``; without,
    the first worker to end tells so.

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
    """A worker process and the line on which it says that it began, and how it ended."""

    process: SpawnProcess
    line: Connection

    def lost(self) -> bool:
        """Of one that has ended: whether abruptly.

        Raises:
            InvalidInputError: an error kept it from beginning, as in a script that launches without a guard.
            Exception: the error it ended with.
        """
        heard = []
        with closing(self.line), suppress(EOFError, OSError):  # the end of the line, or half a message
            while True:
                heard.append(self.line.recv())
        if not heard and self.process.exitcode == 1:
            raise InvalidInputError(
                f"workers: expected {self.process.name} to begin, but found that it ended with an error while it "
                'loaded the main script; put what the script does under if __name__ == "__main__":, or take the serial '
                "launcher"
            )
        if len(heard) == 2 and heard[1] is not None:
            raise heard[1]
        return len(heard) < 2 and self.process.exitcode != _STOPPED


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
    line.send("begun")
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
