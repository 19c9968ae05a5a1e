"""What is timed, how, and what becomes of the times.

The machine's speed drifts while the benchmark runs. So all tasks are timed in turn, round after round, and speeds are
compared within a round; what is reported is the median over the rounds, with the quartiles.
"""

import itertools
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.contenders import CONTENDERS, ENGINES, LOOPS, torch_threads
from deepcollapse.curvature import collapse_spectrum
from deepcollapse.landscape import search
from deepcollapse.simulate import engine_choice, gaussian
from deepcollapse.theory import overview
from deepcollapse.ufm import Problem

__all__ = [
    "CASES",
    "DECAY",
    "DTYPES",
    "GEMM_SIZE",
    "Case",
    "Key",
    "Task",
    "descent_rows",
    "descent_tasks",
    "flops",
    "machine",
    "peak",
    "size",
    "speeds",
    "summary",
    "theory_rows",
    "theory_tasks",
]

DECAY = 2.0**-10
GEMM_SIZE = 1024
DTYPES = ("float32", "float64")

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Models that contenders train.

    Attributes:
        problem: their sizes and decay.
        models: how many are trained side by side.
        contenders: names in ``CONTENDERS``.
        steps: an engine takes at least so many at a time, or what it does once per run would count too much.
    """

    problem: Problem
    models: int = 256
    contenders: tuple[str, ...] = (*LOOPS, "two loops", "vmap", "torch", "cpu")
    steps: int = 400


CASES = (
    Case(Problem(classes=10, layers=2, width=70, samples=5, decay=DECAY)),
    Case(Problem(classes=10, layers=3, width=40, samples=1, decay=DECAY)),
    Case(Problem(classes=10, layers=2, width=20, samples=1, decay=DECAY)),
    Case(
        Problem(classes=100, layers=3, width=256, samples=1, decay=DECAY),
        models=64,
        contenders=(*LOOPS, "auto"),
        steps=100,
    ),
)


@dataclass(frozen=True, slots=True)
class Task:
    """Work that can be repeated.

    Attributes:
        run: does the work so many times.
        amount: units of work (model-steps, floating-point operations, calls) in one repetition.
        least: repetitions that belong together.
    """

    run: Callable[[int], object]
    amount: float = 1.0
    least: int = 1

    def seconds(self, repetitions: int) -> float:
        """Wall time of so many repetitions."""
        start = time.perf_counter()
        self.run(repetitions)
        return time.perf_counter() - start


def speeds(
    tasks: Mapping[Key, Task], *, rounds: int, seconds: float, budget: float = math.inf
) -> dict[Key, np.ndarray]:
    """Units per second of every task in every round, each measured for about ``seconds`` or one repetition.

    There are fewer rounds where a busy machine takes longer than ``budget`` seconds; the first one is always finished,
    and of a later one nothing is kept unless all of it is there.
    """
    deadline = time.perf_counter() + budget
    repetitions = {key: _repetitions(task, seconds) for key, task in tasks.items()}
    found: list[float] = []
    for turn, (key, task) in itertools.product(range(rounds), tasks.items()):
        if turn and time.perf_counter() > deadline:
            break
        found.append(repetitions[key] * task.amount / task.seconds(repetitions[key]))
    table = np.reshape(found[: len(found) // len(tasks) * len(tasks)], (-1, len(tasks)))
    return dict(zip(tasks, table.T, strict=True))


def _repetitions(task: Task, seconds: float) -> int:
    """How often to repeat the task to fill the time; the first call may build or start something and does not count."""
    task.run(1)
    count = task.least
    while (elapsed := task.seconds(count)) < seconds / 4:
        count *= 2
    return max(task.least, round(count * seconds / elapsed))


def summary(values: np.ndarray) -> dict[str, object]:
    """Median, quartiles and the values themselves, one per round."""
    lower, median, upper = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": median, "lower": lower, "upper": upper, "rounds": values.tolist()}


def flops(problem: Problem) -> int:
    """Floating-point operations of one step of one deep linear model, 6 K d ((L - 1) d + N).

    Products of the reassociated gradient only, two operations per multiplication: for each of the L - 1 hidden layers
    three products of a K x d with a d x d matrix, and three of the size K d N. Back-propagation as autograd does it
    takes more, so the share of the peak says how fast the result comes, not how busy the processor is.
    """
    return 6 * problem.classes * problem.d * ((problem.layers - 1) * problem.d + problem.total_samples)


def descent_tasks() -> dict[Key, Task]:
    """The product of two large square matrices, then the contenders of every case, in each precision."""
    tasks: dict[Key, Task] = {}
    for dtype in DTYPES:
        for threads in _gemm_threads():
            tasks[dtype, "gemm", threads] = Task(partial(_products, dtype, threads), 2.0 * GEMM_SIZE**3)
        for case in CASES:
            models = [gaussian(case.problem, seed=seed) for seed in range(case.models)]
            for name in case.contenders:
                work = partial(CONTENDERS[name], case.problem, models, dtype=dtype)
                least = case.steps if name in ENGINES else 1
                tasks[dtype, case.problem, name] = Task(lambda steps, work=work: work(steps=steps), case.models, least)
    return tasks


def descent_rows(found: Mapping[Key, np.ndarray]) -> Iterator[dict[str, object]]:
    """Speed of every contender, against the faster of the loops and against the peak of the same round."""
    for case, dtype in itertools.product(CASES, DTYPES):
        slow, most = np.max([found[dtype, case.problem, name] for name in LOOPS], axis=0), peak(found, dtype)
        for name in case.contenders:
            speed = found[dtype, case.problem, name]
            yield {
                **size(case.problem),
                "models": case.models,
                "dtype": dtype,
                "contender": name,
                "engine": _engine_name(case, name, dtype),
                "model_steps_per_second": summary(speed),
                "ratio_to_loop": summary(speed / slow),
                "flops_per_model_step": flops(case.problem),
                "share_of_peak": summary(speed * flops(case.problem) / most),
            }


def peak(found: Mapping[Key, np.ndarray], dtype: str) -> np.ndarray:
    """Floating-point operations per second of all threads in every round, by the product of two large square matrices.

    The larger of what torch's threads reach together and their number times what one reaches: on a busy machine
    threads that wait for each other are no peak.
    """
    together = torch.get_num_threads()
    return np.max([found[dtype, "gemm", threads] * (together / threads) for threads in _gemm_threads()], axis=0)


def size(problem: Problem) -> dict[str, object]:
    """The problem in a row of a table."""
    return {
        "layers": problem.layers,
        "width": problem.d,
        "classes": problem.classes,
        "samples": problem.samples,
        "decay": problem.mean_decay,
    }


def _gemm_threads() -> tuple[int, ...]:
    return tuple(sorted({1, torch.get_num_threads()}))


def _engine_name(case: Case, name: str, dtype: str) -> str | None:
    """What the contender runs, where that is an engine."""
    if name not in ENGINES:
        return None
    return engine_choice(case.problem, name, seeds=case.models, dtype=dtype).engine.name


def theory_tasks() -> dict[Key, Task]:
    """A spectrum, an overview and a search; the overview at a decay of its own each time, for it remembers answers."""
    large, small = Problem(classes=1000, layers=3, width=4096, decay=DECAY), Problem(classes=10, layers=2, decay=DECAY)
    fresh = (small.replace(decay=DECAY * (1.0 + 1e-9 * count)) for count in itertools.count())
    work = {
        "collapse_spectrum, K=1000 L=3 d=4096": lambda: collapse_spectrum(large),
        "overview, K=10 L=2": lambda: overview(next(fresh)),
        "search, K=10 L=2, one restart per rank": lambda: search(small, restarts=1),
    }
    return {(name,): Task(partial(_calls, call)) for name, call in work.items()}


def theory_rows(found: Mapping[Key, np.ndarray]) -> Iterator[dict[str, object]]:
    """Seconds per call."""
    for key in theory_tasks():
        yield {"computation": key[0], "seconds": summary(1.0 / found[key])}


def machine() -> dict[str, object]:
    """What the times depend on: processor, cores, threads of torch and the kernel, other work, versions."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def _processor() -> str:
    """The model's name where the system tells it, else the architecture."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _products(dtype: str, threads: int, count: int) -> None:
    left, right, out = torch.ones(3, GEMM_SIZE, GEMM_SIZE, dtype=getattr(torch, dtype))
    with torch_threads(threads):
        for _ in range(count):
            torch.mm(left, right, out=out)


def _calls(call: Callable[[], object], count: int) -> None:
    for _ in range(count):
        call()
