"""A run of a sweep that trains a block of seeds of one model to convergence."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.kept_runs import KeptRuns, run_settings
from deepcollapse.experiments.run_problem import ProblemRun
from deepcollapse.experiments.run_result import (
    NUMBERS,
    PROBLEM_COLUMNS,
    RunResult,
    json_numbers,
    problem_columns,
    row_table,
)
from deepcollapse.simulate import Descent, Ensemble, Initialisation, Run, descent, optimiser_named, simulate, stable_lr
from deepcollapse.theory import fitting_collapse, points

__all__ = ["SimulateRun"]

_COLUMNS = {
    **PROBLEM_COLUMNS,
    "lr": pa.float64(),
    "init": pa.string(),
    "init_scale": pa.float64(),
    "init_distance": pa.float64(),
    "optimiser": pa.string(),
    "beta": pa.float64(),
    "tolerance": pa.float64(),
    "steps_max": pa.int64(),
    "dtype": pa.string(),
    "accelerate": pa.string(),
    "dnc_loss": pa.float64(),
    "best_structure": pa.string(),
    "best_structure_loss": pa.float64(),
    "seed": pa.int64(),
    "status": pa.string(),
    "steps": pa.int64(),
    "gradient_norm": pa.float64(),
    "structure": pa.string(),
    "rank": pa.int64(),
    "loss": pa.float64(),
    "loss_gap": pa.float64(),
    "dnc_distance": pa.float64(),
    "distances_before": NUMBERS,
    "distances_after": NUMBERS,
    "nearest": pa.string(),
    "nearest_distance": pa.float64(),
    "within_class": pa.float64(),
    "imbalance": pa.float64(),
    "singular_values": NUMBERS,
}
_AT_TIMES = ("seconds", "model_steps_per_second", "engine", "interrupted")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateRun(ProblemRun):
    """A block of seeds, each trained by full-batch descent until it converges or comes to the horizon.

    Attributes:
        problem: the model.
        first_seed: of the block.
        seeds: how many, one after the other.
        lr: learning rate.
        init: law of the starts.
        init_scale: s, as decisive as the width.
        init_distance: for "near-..." starts.
        optimiser: "gd", "momentum" or "adam".
        beta: of momentum.
        tolerance: gradient norm at which a run has converged; None is the default for the decay, written out.
        steps_max: horizon; None is the default for lr and decay, written out.
        dtype: of the training.
        engine: "auto", "torch" or "cpu".
        device: a torch device.
        accelerate: "balance", or None for full runs.
        kind: its name in a plan.
    """

    first_seed: Annotated[int, Field(ge=0)] = 0
    seeds: Annotated[int, Field(ge=1)] = 64
    lr: float = 0.5
    init: str = "gaussian"
    init_scale: float = 1.0
    init_distance: float | None = None
    optimiser: Literal["gd", "momentum", "adam"] = "gd"
    beta: float | None = None
    tolerance: float | None = None
    steps_max: int | None = None
    dtype: Literal["float64", "float32"] = "float64"
    engine: Literal["auto", "torch", "cpu"] = "auto"
    device: str = "cpu"
    accelerate: Literal["balance"] | None = None
    kind: Literal["simulate"] = "simulate"

    def __post_init__(self) -> None:
        ProblemRun.__post_init__(self)  # super() does not work in a class with slots
        rule, _ = self._rule(), self._law()
        object.__setattr__(self, "tolerance", rule.tolerance)
        object.__setattr__(self, "steps_max", rule.steps_max)

    def result(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> RunResult:
        """One row per seed. Seeds that ended are kept in the folder, so that a block cut off goes on."""
        kept = KeptRuns.open(folder / "ended.jsonl", self._kept_settings())
        ensemble = simulate(
            self.problem,
            seeds=range(self.first_seed, self.first_seed + self.seeds),
            lr=self.lr,
            initialisation=self._law(),
            tolerance=self.tolerance,
            steps_max=self.steps_max,
            optimiser=self._rule().optimiser,
            dtype=self.dtype,
            device=self.device,
            engine=self.engine,
            accelerate=self.accelerate,
            ledger=kept,
            progress=None if progress is None else lambda state: progress(state.ended, self.seeds),
        )
        if ensemble.interrupted:
            raise KeyboardInterrupt
        document = ensemble.as_json()
        return RunResult(
            rows=row_table(self._settings(), _rows(ensemble), _COLUMNS),
            arrays={"seeds": ensemble.seeds, "logits": ensemble.logits},
            document=json_numbers({name: value for name, value in document.items() if name not in _AT_TIMES}),
            notes={name: document[name] for name in _AT_TIMES[:3]} | {"kept": len(ensemble.kept)},
        )

    def largest_stable_lr(self) -> float | None:
        """The largest learning rate that is stable at the ends that are known in closed form, or None if none is known.

        The way to an end may ask for less.
        """
        with suppress(InvalidInputError):  # nothing to look at, or Adam
            return stable_lr(self.problem, optimiser=self._rule().optimiser).bound
        return None

    def _rule(self) -> Descent:
        optimiser = optimiser_named(self.optimiser, beta=self.beta)
        return descent(self.problem, self.lr, tolerance=self.tolerance, steps_max=self.steps_max, optimiser=optimiser)

    def _law(self) -> Initialisation:
        return Initialisation(self.init, self.init_scale, self.init_distance)

    def _kept_settings(self) -> dict[str, object]:
        others = {"dtype": self.dtype, "accelerate": self.accelerate}
        return run_settings(self.problem, self._rule(), initialisation=self._law(), **others)

    def _settings(self) -> dict[str, object]:
        known, collapsed = points(self.problem), fitting_collapse(self.problem.replace(activation="linear"))
        own = ("lr", "init", "init_scale", "init_distance", "optimiser", "beta", "tolerance", "steps_max")
        return {
            **problem_columns(self.kind, self.problem),
            **{name: getattr(self, name) for name in (*own, "dtype", "accelerate")},
            "dnc_loss": None if collapsed is None else collapsed.loss,
            "best_structure": known[0].name,
            "best_structure_loss": known[0].loss,
        }


def _rows(ensemble: Ensemble) -> list[dict[str, object]]:
    found = {run.seed: _row(run) for run in ensemble.finished}
    lost = {seed: {"seed": seed, "status": "diverged"} for seed in ensemble.diverged}
    return [row for _, row in sorted({**found, **lost}.items())]


def _row(run: Run) -> dict[str, object]:
    ended = run.as_json()
    nearest = run.verdict.nearest
    return ended | {
        "nearest": nearest.name,
        "nearest_distance": nearest.distance_min,
    }
