"""The time to an answer: how often gradient descent ends in deep neural collapse, by ``simulate`` and by the loop."""

import time
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contenders import LEARNING_RATE, loop
from benchmarks.measurement import DECAY, Key, Task, size, speeds, summary
from deepcollapse.simulate import gaussian, simulate
from deepcollapse.ufm import Problem

__all__ = ["QUESTION", "SEEDS", "answer"]

QUESTION = Problem(classes=10, layers=2, width=70, samples=5, decay=DECAY)
SEEDS = 64


def answer(
    problem: Problem, *, seeds: int, rounds: int, seconds: float, steps_max: int | None = None
) -> dict[str, Any]:
    """The rate with its confidence interval, and the time it takes.

    ``simulate`` runs from beginning to end in float64 with the engine it picks by itself and its default stopping
    rule. The loop would take as many steps; its time is their number over its speed in float64, measured in half of
    the rounds before and in half of them after the simulation.
    """
    models = [gaussian(problem, seed=seed) for seed in range(2)]
    work = partial(loop, problem, models, dtype="float64")
    task: dict[Key, Task] = {("loop",): Task(lambda steps: work(steps=steps), len(models))}
    before = speeds(task, rounds=-(-rounds // 2), seconds=seconds)["loop",]
    begin = time.perf_counter()
    ensemble = simulate(problem, seeds=seeds, lr=LEARNING_RATE, steps_max=steps_max)
    elapsed = time.perf_counter() - begin
    after = speeds(task, rounds=-(-rounds // 2), seconds=seconds)["loop",]
    steps, rate = int(ensemble.steps.sum()), ensemble.dnc()
    loop_seconds = summary(steps / np.concatenate([before, after]))
    return {
        **size(problem),
        "seeds": seeds,
        "engine": ensemble.engine,
        "statuses": {status: count for status, count in ensemble.counts.items() if count},
        "rate": rate.value,
        "interval": rate.interval,
        "steps": steps,
        "longest": int(ensemble.steps.max()),
        "seconds": elapsed,
        "loop_seconds": loop_seconds,
        "ratio": summary(np.array(loop_seconds["rounds"]) / elapsed),
    }
