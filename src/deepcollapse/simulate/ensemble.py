"""Ensembles of deep UFMs under gradient descent, and what their endpoints are."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.simulate.classify import Verdict
from deepcollapse.simulate.engine import DECIDED, STATUSES, Descent, Status, expected_steps
from deepcollapse.simulate.initialise import Initialisation
from deepcollapse.simulate.optimiser import Adam
from deepcollapse.simulate.rate import Rate, rate
from deepcollapse.simulate.step_size import stable_lr
from deepcollapse.ufm import Problem

__all__ = ["Ensemble", "Run"]

_FOLLOWED = 2  # diverged runs whose way is looked at for a safe learning rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that reached an endpoint or the horizon.

    Attributes:
        seed: of its start.
        converged: whether the gradient norm fell below the tolerance before the horizon.
        status: how it ended, see ``simulate.engine.Status``.
        steps: taken.
        gradient_norm: ||grad F|| at the end.
        verdict: what the factors are at the end, whether that is decided or not.
    """

    seed: int
    converged: bool
    status: Status
    steps: int
    gradient_norm: float
    verdict: Verdict

    @property
    def decided(self) -> bool:
        """Whether the run has an end to be named: it converged, settled, or is at zero."""
        return self.status in DECIDED

    def as_json(self) -> dict[str, object]:
        """The run in plain types; singular values instead of the logits."""
        verdict, reading = self.verdict, self.verdict.reading
        return {
            "seed": self.seed,
            "converged": self.converged,
            "status": self.status,
            "steps": self.steps,
            "gradient_norm": self.gradient_norm,
            "structure": verdict.structure,
            "rank": verdict.rank,
            "loss": verdict.loss,
            "loss_gap": verdict.loss_gap,
            "dnc_distance": verdict.dnc_distance,
            "distances_before": list(verdict.layers.before),
            "distances_after": list(verdict.layers.after),
            "nearest": asdict(verdict.nearest),
            "within_class": reading.within_class,
            "imbalance": reading.imbalance,
            "singular_values": reading.singular_values.tolist(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Independent runs of one problem. All arrays have one row per entry of ``finished``.

    Every run has one of seven statuses (``counts``). Those that converged, settled or are at zero are decided, and
    histograms are over these. The others are undecided, and rates leave room for them: a rate over the decided runs
    alone would be biased towards the ends that are reached fast.

    Attributes:
        problem: the model.
        descent: learning rate and stopping rule.
        initialisation: law of the starts.
        finished: the runs that converged or came to the horizon, by seed; both may be decided.
        diverged: seeds whose loss blew up.
        kept: seeds among these whose ends were known before; ``seconds`` does not count them.
        unfinished: seeds that had no end when the simulation was interrupted; empty otherwise.
        engine: what ran.
        seconds: wall time.
    """

    problem: Problem
    descent: Descent
    initialisation: Initialisation
    finished: tuple[Run, ...]
    diverged: tuple[int, ...]
    unfinished: tuple[int, ...]
    kept: tuple[int, ...]
    engine: str
    seconds: float

    @property
    def runs(self) -> int:
        """Number of runs asked for."""
        return len(self.finished) + len(self.diverged) + len(self.unfinished)

    @property
    def counts(self) -> Mapping[Status, int]:
        """Runs by status; every status is there, and the counts add up to ``runs``."""
        lost = {"diverged": len(self.diverged), "interrupted": len(self.unfinished)}
        found = Counter(run.status for run in self.finished) + Counter(lost)
        return {status: found[status] for status in STATUSES}

    @property
    def converged(self) -> int:
        """Number of runs whose gradient norm fell below the tolerance, away from zero."""
        return self.counts["converged"]

    @property
    def not_converged(self) -> int:
        """Number of runs still descending at the horizon."""
        return self.counts["not converged"]

    @property
    def interrupted(self) -> int:
        """Number of runs without an end because the simulation was stopped."""
        return len(self.unfinished)

    @property
    def decided(self) -> int:
        """Number of runs that converged, settled or are at zero."""
        return sum(self.counts[status] for status in DECIDED)

    @property
    def undecided(self) -> int:
        """Number of the other runs: each of them might end anywhere."""
        return self.runs - self.decided

    @property
    def seeds(self) -> Int[np.ndarray, " R"]:
        """Seeds of the finished runs."""
        return np.array([run.seed for run in self.finished], dtype=int)

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How each finished run ended."""
        return tuple(run.status for run in self.finished)

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
        """Name of the endpoint, the status for a run that is undecided."""
        return tuple(run.verdict.structure if run.decided else run.status for run in self.finished)

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
        """Gradient steps of the runs finished in this simulation per second of wall time, classification included."""
        return sum(run.steps for run in self.finished if run.seed not in self.kept) / self.seconds

    def dnc(self, *, method: str = "wilson", confidence: float = 0.95) -> Rate:
        """How often gradient descent reached deep neural collapse, among all runs.

        The value is None while a run is undecided; the interval then reaches from none of these at collapse to all.
        """
        count = self.structure_counts().get("dnc", 0)
        return rate(count, self.runs, undecided=self.undecided, method=method, confidence=confidence)

    def rank_counts(self) -> Mapping[int, int]:
        """Decided runs by rank of their logits."""
        return dict(sorted(Counter(run.verdict.rank for run in self.finished if run.decided).items()))

    def structure_counts(self) -> Mapping[str, int]:
        """Decided runs by name of their endpoint, the most frequent first."""
        return dict(Counter(run.verdict.structure for run in self.finished if run.decided).most_common())

    def advice(self) -> tuple[str, ...]:
        """What to change, one line for each way in which runs failed to end; empty when all are decided."""
        lines = []
        if self.diverged:
            lines.append(
                f"lr: {len(self.diverged)} of {self.runs} runs diverged at {self.descent.lr:g}; {self._safe_lr()}"
            )
        if self.not_converged:
            lines.append(
                f"steps_max: {self.not_converged} of {self.runs} runs still descended after "
                f"{self.descent.steps_max} steps; {self._longer()}"
            )
        if stalled := self.counts["stalled"]:
            lines.append(
                f"lr: {stalled} of {self.runs} runs moved to and fro at the end without getting lower; use "
                f"{self.descent.lr / 10:.3g} or less{self._kinks()}"
            )
        if self.unfinished:
            lines.append(
                f"interrupted: {self.interrupted} of {self.runs} runs have no end; go on with seeds=ensemble.unfinished"
            )
        return tuple(lines)

    def _longer(self) -> str:
        """A longer horizon, from the slowest direction at the expected ends."""
        expected = expected_steps(self.problem, self.descent)
        horizon = max(2 * self.descent.steps_max, 3 * expected)
        return f"raise it to {horizon}: the last stretch alone is expected to take about {expected}"

    def _kinks(self) -> str:
        return ", or kinks=True (--kinks) to look for rest points" if self.problem.activation == "relu" else ""

    def _safe_lr(self) -> str:
        """From the curvature on the way of some diverged runs; Adam's steps do not depend on it."""
        half, optimiser = self.descent.lr / 2, self.descent.optimiser
        if isinstance(optimiser, Adam):
            return f"use {half:.3g} or less"
        starts = self.initialisation.starts(self.problem, self.diverged[:_FOLLOWED])
        stable = stable_lr(self.problem, starts, optimiser=optimiser)
        return f"use {min(half, stable.lr):.3g} or less: {stable.reason}"

    def as_json(self) -> dict[str, object]:
        """The ensemble in plain types; ``losses`` has one entry per run, by seed, None without an end."""
        losses = dict.fromkeys(sorted((*self.seeds.tolist(), *self.diverged, *self.unfinished)))
        losses |= dict(zip(self.seeds.tolist(), self.losses.tolist(), strict=True))
        return {
            "runs": self.runs,
            **{status.replace(" ", "_"): count for status, count in self.counts.items()},
            "dnc": self.dnc().as_json(),
            "ranks": {str(rank): count for rank, count in self.rank_counts().items()},
            "structures": dict(self.structure_counts()),
            "losses": list(losses.values()),
            "ends": [run.as_json() for run in self.finished],
            "lr": self.descent.lr,
            "tolerance": self.descent.tolerance,
            "steps_max": self.descent.steps_max,
            "optimiser": self.descent.optimiser.name,
            "initialisation": self.initialisation.label,
            "engine": self.engine,
            "seconds": self.seconds,
            "model_steps_per_second": self.model_steps_per_second,
        }
