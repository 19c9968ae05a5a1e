"""Ensembles of deep UFMs under gradient descent, and what their endpoints are."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.classify import Verdict, classify, nameable
from deepcollapse.simulate.engine import Descent, Endpoint, Engine, Report, descent
from deepcollapse.simulate.engine_choice import engine_choice
from deepcollapse.simulate.initialise import gaussian_starts
from deepcollapse.simulate.rate import Rate, rate
from deepcollapse.ufm import Problem

__all__ = ["Ensemble", "Run", "simulate"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that reached an endpoint or the horizon.

    Attributes:
        seed: of its start.
        converged: whether the gradient norm fell below the tolerance before the horizon.
        steps: taken.
        gradient_norm: ||grad F|| at the end.
        verdict: what the factors are at the end, whether it converged or not.
    """

    seed: int
    converged: bool
    steps: int
    gradient_norm: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Independent runs of one problem. All arrays have one row per entry of ``finished``.

    Rates and histograms are over converged runs only: a run still moving at the horizon is neither collapsed nor not.

    Attributes:
        problem: the model.
        descent: learning rate and stopping rule.
        init_scale: of the Gaussian start.
        finished: the runs that converged or came to the horizon, by seed.
        diverged: seeds whose loss blew up.
        unfinished: seeds that had no end when the simulation was interrupted; empty otherwise.
        engine: what ran.
        seconds: wall time.
    """

    problem: Problem
    descent: Descent
    init_scale: float
    finished: tuple[Run, ...]
    diverged: tuple[int, ...]
    unfinished: tuple[int, ...]
    engine: str
    seconds: float

    @property
    def runs(self) -> int:
        """Number of runs asked for."""
        return len(self.finished) + len(self.diverged) + len(self.unfinished)

    @property
    def converged(self) -> int:
        """Number of runs whose gradient norm fell below the tolerance."""
        return sum(run.converged for run in self.finished)

    @property
    def not_converged(self) -> int:
        """Number of runs still moving at the horizon."""
        return len(self.finished) - self.converged

    @property
    def interrupted(self) -> int:
        """Number of runs without an end because the simulation was stopped."""
        return len(self.unfinished)

    @property
    def seeds(self) -> Int[np.ndarray, " R"]:
        """Seeds of the finished runs."""
        return np.array([run.seed for run in self.finished], dtype=int)

    @property
    def statuses(self) -> tuple[str, ...]:
        """How each finished run ended, "converged" or "not converged"."""
        return tuple("converged" if run.converged else "not converged" for run in self.finished)

    @property
    def steps(self) -> Int[np.ndarray, " R"]:
        """Steps taken."""
        return np.array([run.steps for run in self.finished], dtype=int)

    @property
    def losses(self) -> Float[np.ndarray, " R"]:
        """F at the end, in float64."""
        return np.array([run.verdict.loss for run in self.finished])

    @property
    def gradient_norms(self) -> Float[np.ndarray, " R"]:
        """||grad F|| at the end."""
        return np.array([run.gradient_norm for run in self.finished])

    @property
    def ranks(self) -> Int[np.ndarray, " R"]:
        """Rank of the logits."""
        return np.array([run.verdict.rank for run in self.finished], dtype=int)

    @property
    def structures(self) -> tuple[str, ...]:
        """Name of the endpoint, "not converged" for a run without one."""
        return tuple(run.verdict.structure if run.converged else "not converged" for run in self.finished)

    @property
    def singular_values(self) -> Float[np.ndarray, "R K"]:
        """Singular values of the K x N logits, non-increasing."""
        values = [run.verdict.reading.singular_values for run in self.finished]
        return np.array(values).reshape(len(values), self.problem.classes)

    @property
    def logits(self) -> Float[np.ndarray, "R K K"]:
        """Class means of the logits."""
        k = self.problem.classes
        return np.array([run.verdict.reading.logits for run in self.finished]).reshape(-1, k, k)

    @property
    def model_steps_per_second(self) -> float:
        """Gradient steps of finished runs per second of wall time, classification included."""
        return int(self.steps.sum()) / self.seconds

    def dnc(self, *, method: str = "wilson", confidence: float = 0.95) -> Rate:
        """How often gradient descent reached deep neural collapse, among the runs that converged.

        The value is None when none did. Under class imbalance the simplex is not critical and is never reached.
        """
        return rate(self.structure_counts().get("dnc", 0), self.converged, method=method, confidence=confidence)

    def rank_counts(self) -> Mapping[int, int]:
        """Converged runs by rank of their logits."""
        return dict(sorted(Counter(run.verdict.rank for run in self.finished if run.converged).items()))

    def structure_counts(self) -> Mapping[str, int]:
        """Converged runs by name of their endpoint, the most frequent first."""
        return dict(Counter(run.verdict.structure for run in self.finished if run.converged).most_common())

    def advice(self) -> tuple[str, ...]:
        """What to change, one line for each way in which runs failed to end; empty when all converged."""
        lines = []
        if self.diverged:
            lines.append(
                f"lr: {len(self.diverged)} of {self.runs} runs diverged at {self.descent.lr:g}; "
                f"use {self.descent.lr / 2:g} or less"
            )
        if self.not_converged:
            lines.append(
                f"steps_max: {self.not_converged} of {self.runs} runs still moved after "
                f"{self.descent.steps_max} steps; raise it"
            )
        if self.unfinished:
            lines.append(
                f"interrupted: {self.interrupted} of {self.runs} runs have no end; go on with seeds=ensemble.unfinished"
            )
        return tuple(lines)

    def as_json(self) -> dict[str, object]:
        """Counts, rates and losses in plain types; ``losses`` has one entry per run, by seed, None without an end."""
        dnc = self.dnc()
        losses = dict.fromkeys(sorted((*self.seeds.tolist(), *self.diverged, *self.unfinished)))
        losses |= dict(zip(self.seeds.tolist(), self.losses.tolist(), strict=True))
        return {
            "runs": self.runs,
            "converged": self.converged,
            "not_converged": self.not_converged,
            "diverged": len(self.diverged),
            "interrupted": self.interrupted,
            "dnc": {"count": dnc.count, "rate": dnc.value, "interval": dnc.interval and list(dnc.interval)},
            "ranks": {str(rank): count for rank, count in self.rank_counts().items()},
            "structures": dict(self.structure_counts()),
            "losses": list(losses.values()),
            "engine": self.engine,
            "seconds": self.seconds,
            "model_steps_per_second": self.model_steps_per_second,
        }


def simulate(
    problem: Problem,
    *,
    seeds: int | Sequence[int],
    lr: float,
    init_scale: float = 1.0,
    tolerance: float | None = None,
    steps_max: int | None = None,
    dtype: str = "float64",
    device: str = "cpu",
    engine: Engine | str = "auto",
    progress: Report | None = None,
) -> Ensemble:
    """Train a model from every seed by full-batch gradient descent until it converges, and name the endpoints.

    Ctrl-C ends the simulation early: what has ended by then is returned, the rest is listed in ``Ensemble.unfinished``.

    Args:
        problem: the model.
        seeds: how many (0, 1, ...), or which.
        lr: learning rate.
        init_scale: s in W, H ~ N(0, s^2 / d); as decisive for the outcome as the width.
        tolerance: gradient norm at which a run has converged; None is the smaller of 1e-6 and decay / 1000.
        steps_max: horizon; None is 200 / (lr decay).
        dtype: "float64" or "float32".
        device: a torch device.
        engine: "torch", "cpu" (the compiled kernel), "auto" for the faster one by ``engine_choice``, or an engine of
            your own; dtype and device are then its own.
        progress: called with a ``Progress`` after each measurement.

    Raises:
        InvalidInputError: a setting out of range, or a seed given twice.

    Source: arXiv 2410.23169, Section 5 (which states neither its initialisation nor its stopping rule).

    >>> simulate(Problem(classes=3, layers=1, decay=0.05), seeds=2, lr=1.0).dnc().value
    1.0
    """
    numbers, rule = _seed_numbers(seeds), descent(problem, lr, tolerance=tolerance, steps_max=steps_max)
    starts = gaussian_starts(problem, numbers, scale=init_scale)
    if isinstance(engine, str):
        engine = engine_choice(problem, engine, seeds=len(numbers), dtype=dtype, device=device).engine
    begin = time.perf_counter()
    finished, diverged = _ended(engine.train(problem, starts, descent=rule, report=progress), problem)
    seconds = time.perf_counter() - begin
    return Ensemble(
        problem=problem,
        descent=rule,
        init_scale=float(init_scale),
        finished=tuple(sorted(finished, key=lambda run: run.seed)),
        diverged=tuple(sorted(diverged)),
        unfinished=tuple(sorted(set(numbers) - {run.seed for run in finished} - set(diverged))),
        engine=engine.name,
        seconds=seconds,
    )


def _ended(endpoints: Iterator[Endpoint], problem: Problem) -> tuple[list[Run], list[int]]:
    """The runs with factors at their end and the seeds of those without; an interrupt ends the collection early."""
    known, finished, diverged = nameable(problem), [], []
    try:
        for end in endpoints:
            if end.factors is None:
                diverged.append(end.seed)
                continue
            verdict = classify(end.factors, problem, known=known)
            finished.append(Run(end.seed, end.status == "converged", end.steps, end.gradient_norm, verdict))
    except KeyboardInterrupt:
        pass
    return finished, diverged


def _seed_numbers(seeds: int | Sequence[int]) -> Sequence[int]:
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    if len(numbers) == 0:
        raise InvalidInputError(
            f"seeds: expected at least one, but found {seeds!r}; give a number >= 1 or a list of seeds"
        )
    if len(set(numbers)) != len(numbers):
        twice = next(seed for seed, count in Counter(numbers).items() if count > 1)
        raise InvalidInputError(
            f"seeds: expected each seed once, but found {twice} again; a repeated run is no independent run"
        )
    for seed in numbers:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
            raise InvalidInputError(
                f"seeds: expected whole numbers >= 0 (below 2^63), but found {seed!r}; count from 0"
            )
    return numbers
