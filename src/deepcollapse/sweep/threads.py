"""How many threads a worker computes with, so that workers side by side do not crowd the cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from deepcollapse.errors import InvalidInputError

__all__ = ["cores", "expect_counts", "inherited", "thread_environment", "thread_share", "use_threads"]

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def cores() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def expect_counts(workers: int, threads: int | None) -> None:
    """Of any launcher.

    Raises:
        InvalidInputError: a negative number of workers, or less than one thread.
    """
    if workers < 0:
        raise InvalidInputError(f"workers: expected a number >= 1, or 0 for the default, but found {workers}; raise it")
    if threads is not None and threads < 1:
        raise InvalidInputError(f"threads: expected a number >= 1, but found {threads}; raise it")


def thread_share(workers: int, threads: int | None = None) -> int:
    """Threads of one of so many workers: those asked for, or else its share of the cores, at least one."""
    return max(1, cores() // workers) if threads is None else threads


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that a process must find when it starts: linear algebra libraries read them while they load."""
    return dict.fromkeys(_VARIABLES, str(threads))


@contextmanager
def inherited(variables: dict[str, str]) -> Iterator[None]:
    """Processes started inside find these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def use_threads(threads: int | None) -> Iterator[None]:
    """Torch, and what goes by its number of threads, computes inside with so many; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
