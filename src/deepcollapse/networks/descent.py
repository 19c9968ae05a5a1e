"""How a network descends, and when it stops."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.schedule import Constant, Schedule
from deepcollapse.networks.trajectory import Spacing

__all__ = ["Descent", "Rule"]

Rule = Literal["heavy ball", "nesterov", "adam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """How to descend and when to stop.

    A run has converged when training error is 0, the objective has settled and, if asked for, the head's gradient is
    small. Minibatch runs are judged by the means of whole epochs, at least two in a window.

    Attributes:
        rate: learning rate, the full one of the schedule: the decay acts at its speed.
        momentum: of the heavy ball, v <- momentum v + gradient, or of Nesterov's; Adam's beta1.
        steps_max: the horizon, in parameter updates.
        tolerance: after training error 0, stop once the objective changed by less than this share over a window. Not a
            test of stationarity: a slower descent may go on. 0 goes to the horizon.
        window: updates in a window.
        looks: states remembered in the trajectory, at most (and the last one).
        spacing: of the looks: "log" or "regular".
        rule: "heavy ball" (plain gradient descent at momentum 0), "nesterov" or "adam"; torch.optim does the work. The
            decay is part of the gradient in all three (not AdamW).
        squares: Adam's beta2.
        epsilon: Adam's epsilon.
        schedule: of the learning rate.
        head_gradient: to stop, the head's gradient must be below this share of its decay's pull as well
            (``Evaluation.head_gradient``); None does not ask.
        plateau: a run with training errors and low rank stands still when its objective rises or falls by less than
            this share over a window, the noise of its batches left aside.
        patience: windows in a row after which a collapsed or stalled run ends; 0 goes on, because plateaus may end.

    Raises:
        InvalidInputError: a number out of range.
    """

    rate: float = 0.05
    momentum: float = 0.9
    steps_max: int = 8000
    tolerance: float = 5e-4
    window: int = 100
    looks: int = 120
    spacing: Spacing = "log"
    rule: Rule = "heavy ball"
    squares: float = 0.999
    epsilon: float = 1e-8
    schedule: Schedule = field(default_factory=Constant)
    head_gradient: float | None = None
    plateau: float = 1e-3
    patience: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "rate": (0 < self.rate < math.inf, "a finite number > 0"),
            "momentum": (0 <= self.momentum < 1, "0 <= momentum < 1"),
            "steps_max": (self.steps_max >= 1, "at least 1"),
            "tolerance": (0 <= self.tolerance < 1, "0 <= tolerance < 1"),
            "window": (self.window >= 2, "at least 2"),
            "looks": (self.looks >= 2, "at least 2"),
            "spacing": (self.spacing in ("log", "regular"), '"log" or "regular"'),
            "rule": (self.rule in ("heavy ball", "nesterov", "adam"), '"heavy ball", "nesterov" or "adam"'),
            "squares": (0 <= self.squares < 1, "0 <= squares < 1"),
            "epsilon": (0 < self.epsilon < math.inf, "a finite number > 0"),
            "head_gradient": (self.head_gradient is None or self.head_gradient > 0, "a number > 0 or None"),
            "plateau": (0 <= self.plateau < 1, "0 <= plateau < 1"),
            "patience": (self.patience >= 0, "at least 0"),
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                raise InvalidInputError(f"{name}: expected {expected}, but found {getattr(self, name)!r}; change it")
        if self.rule == "nesterov" and self.momentum == 0:
            raise InvalidInputError('momentum: expected a number > 0 for "nesterov", but found 0; use "heavy ball"')

    def rate_at(self, step: int) -> float:
        """Learning rate of the update that follows ``step`` updates.

        >>> Descent(rate=0.2).rate_at(0)
        0.2
        """
        return self.rate * self.schedule.share(step, self.steps_max)

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Torch's optimiser, fused where all parameters are real and on a device that can."""
        chosen = list(parameters)
        fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda", "mps", "xpu") for p in chosen)
        if self.rule == "adam":
            betas = (self.momentum, self.squares)
            return torch.optim.Adam(chosen, lr=self.rate, betas=betas, eps=self.epsilon, fused=fused)
        nesterov = self.rule == "nesterov"
        return torch.optim.SGD(chosen, lr=self.rate, momentum=self.momentum, nesterov=nesterov, fused=fused)
