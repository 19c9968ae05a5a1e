"""What is remembered of a training run: a fixed number of looks at it, however long it takes."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.ufm import Factors, Problem, forward

__all__ = ["Recorder", "Spacing", "Trajectory", "recorded_steps", "train_error"]

Spacing = Literal["log", "regular"]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Looks at a run, one row each, all in float64.

    Attributes:
        steps: parameter updates done before the look.
        objective: F at the network's features and head, in evaluation mode.
        train_error: share of training samples not classified as their class.
        objective_training: the same in training mode; only BatchNorm and dropout make a difference.
        singular_values: of the K x K class-mean logits, non-increasing; at collapse those of the K x N logits are
            sqrt(n) times as large.
    """

    steps: Int[np.ndarray, " T"]
    objective: Float[np.ndarray, " T"]
    train_error: Float[np.ndarray, " T"]
    objective_training: Float[np.ndarray, " T"]
    singular_values: Float[np.ndarray, "T K"]

    def as_json(self) -> dict[str, list]:
        """Plain lists."""
        return {
            "steps": self.steps.tolist(),
            "objective": self.objective.tolist(),
            "train_error": self.train_error.tolist(),
            "objective_training": self.objective_training.tolist(),
            "singular_values": self.singular_values.tolist(),
        }


@dataclass(slots=True)
class Recorder:
    """Collects looks at a run.

    Attributes:
        rows: step, objective, training error, objective in training mode and singular values of every look.
    """

    rows: list[tuple[int, float, float, float, list[float]]] = field(default_factory=list)

    def trajectory(self) -> Trajectory:
        """All looks so far."""
        steps, losses, errors, training, values = zip(*self.rows, strict=True)
        return Trajectory(np.array(steps), np.array(losses), np.array(errors), np.array(training), np.array(values))


def recorded_steps(steps_max: int, *, looks: int, spacing: Spacing) -> frozenset[int]:
    """At most this many steps from 0 towards the horizon; "log" has equal ratios, "regular" equal distances.

    Of three or more the last is the horizon.

    >>> sorted(recorded_steps(1000, looks=5, spacing="log")), sorted(recorded_steps(1000, looks=5, spacing="regular"))
    ([0, 1, 10, 100, 1000], [0, 250, 500, 750, 1000])
    """
    if spacing == "regular":
        return frozenset(np.linspace(0, steps_max, looks).round().astype(int).tolist())
    later = np.geomspace(1, max(steps_max, 1), looks - 1).round().astype(int)
    return frozenset({0, *later.tolist()})


def train_error(factors: Factors, problem: Problem) -> float:
    """Share of samples whose largest logit is not that of their class."""
    return float((forward(factors, problem).argmax(axis=0) != problem.labels).mean())
