"""Whether a run has converged, stands still at low rank, or has fallen to zero logits."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from deepcollapse.errors import ConvergenceError
from deepcollapse.networks.descent import Descent
from deepcollapse.networks.evaluation import Evaluation

__all__ = ["Health", "Outcome", "Window", "expect_bounded", "health"]

Outcome = Literal["converged", "not converged", "stalled", "collapsed"]

_DIVERGED = 1e30  # an objective from which training does not return; fourth powers of the weights still fit float64
_NEAR_CHANCE = 1e-3  # relative distance of the cross-entropy from log K
_CHANCE_ROUNDING = 8  # units of rounding of the same
_ZERO_LOGIT = 0.1  # logits this small change the cross-entropy by a tenth of the distance that training covers
_FEW_ERRORS = 0.1  # of a class's share 1 / K: hard images, where a missing singular direction mixes up whole classes
_SURE = 2.0  # standard errors


@dataclass(frozen=True, slots=True)
class Health:
    """How a run stands, and why.

    Attributes:
        outcome: "converged", "not converged", "stalled" (classes mixed up at low rank on a plateau of the objective) or
            "collapsed" (all logits zero).
        explanation: the numbers behind it, and a remedy.
    """

    outcome: Outcome
    explanation: str


@dataclass(slots=True)
class Window:
    """Objective and cross-entropy over the last epochs of a run, kept on the device; an epoch may be one update.

    Attributes:
        epoch: updates per epoch.
        objectives: mean of every epoch, in a ring.
        data: the same of the cross-entropy.
    """

    epoch: int
    objectives: torch.Tensor
    data: torch.Tensor

    @classmethod
    def of(cls, updates: int, *, epoch: int, like: torch.Tensor) -> "Window":
        """Of about so many updates: whole epochs, at least two."""
        size = max(2, round(updates / epoch))
        return cls(epoch, like.new_zeros(size), like.new_zeros(size))

    @property
    def period(self) -> int:
        """Updates in the window."""
        return len(self.objectives) * self.epoch

    def add(self, step: int, *, objective: torch.Tensor, data: torch.Tensor) -> None:
        """Note the batch after ``step`` updates."""
        slot = step // self.epoch % len(self.objectives)
        for ring, value in ((self.objectives, objective), (self.data, data)):
            if step % self.epoch == 0:
                ring[slot] = value / self.epoch
            else:
                ring[slot] += value / self.epoch

    def complete(self, step: int) -> bool:
        """Whether the window was filled from its start with the batch after ``step`` updates."""
        return (step + 1) % self.period == 0

    def judged(self, step: int) -> bool:
        """Whether two whole epochs are in the window, so that they can be compared."""
        return len(self._whole(self.objectives, step)) >= 2

    def change(self, step: int) -> float:
        """(largest - least) / least objective of whole epochs; an error when it has no bound."""
        objectives = self._whole(self.objectives, step)
        low, high = objectives.min().item(), objectives.max().item()
        expect_bounded(high - low, step)
        return (high - low) / low if low > 0 else math.inf

    def trend(self, step: int) -> tuple[float, float]:
        """Rise of the objective over the window by a fitted line, and two standard errors of it, relative to the mean.

        The means of epochs of minibatches scatter around a plateau by more than what is left to gain on it; two whole
        epochs have no scatter to be told from a rise.
        """
        means = self._whole(self.objectives, step).double().cpu().numpy()
        times = np.arange(len(means)) - (len(means) - 1) / 2
        size, spread = means.mean(), np.square(times).sum()
        slope = times @ means / spread
        left = np.square(means - size - slope * times).sum() / max(len(means) - 2, 1)
        scale = len(means) / size if size > 0 else math.inf
        return float(slope * scale), float(_SURE * math.sqrt(left / spread) * scale)

    def at_chance(self, step: int, classes: int) -> bool:
        """Whether the cross-entropy is near log K throughout the window's whole epochs and does not leave it."""
        chance = math.log(classes)
        away = (self._whole(self.data, step).cpu().double() / chance - 1.0).abs().tolist()
        return max(away) <= _NEAR_CHANCE and away[-1] <= away[0] + _CHANCE_ROUNDING * torch.finfo(self.data.dtype).eps

    def _whole(self, ring: torch.Tensor, step: int) -> torch.Tensor:
        """Whole epochs from old to new: at a horizon within an epoch, that one is left out."""
        latest = step // self.epoch % len(ring)
        ordered = ring.roll(-latest - 1)
        return ordered if (step + 1) % self.epoch == 0 else ordered[:-1]


def health(window: Window, step: int, *, descent: Descent, classes: int, look: Callable[[], Evaluation]) -> Health:
    """Judge a run at the end of a window.

    Collapsed: the cross-entropy is within 1e-3 of log K over the whole window, does not leave it, and no logit is
    further than 0.1 from its sample's mean. Z = 0 has zero gradient, and for two layers or more it is a local minimum.
    Stalled: no line fitted to the objective over the window rises or falls by more than ``plateau`` and two standard
    errors, more training images than a tenth of a class are classified wrongly, and the class-mean logits have an
    effective rank below K - 1.

    Args:
        window: filled.
        step: updates done.
        descent: tolerances.
        classes: K.
        look: the network's evaluation, asked for only where the window gives a reason.

    Raises:
        ConvergenceError: the objective diverged.
    """
    change, (trend, noise) = window.change(step), window.trend(step)
    at_chance = window.at_chance(step, classes)
    still = abs(trend) < descent.plateau + noise
    moved = f"the objective changed by {change:.2g} of itself over {window.period} updates"
    if not at_chance and not still and change >= descent.tolerance:
        return Health("not converged", f"{moved}; give it a longer horizon, or descend faster")
    seen = look()
    if at_chance and seen.largest_logit <= _ZERO_LOGIT:
        return _collapsed(seen, classes)
    if seen.train_error > 0:
        return _with_errors(seen, moved, still=still, classes=classes)
    if change >= descent.tolerance:
        noisy = abs(trend) < noise
        remedy = "no trend stands out from its noise; lower the rate" if noisy else "give it a longer horizon"
        return Health("not converged", f"training error 0, but {moved}; {remedy}, or allow a tolerance above that")
    if descent.head_gradient is not None and seen.head_gradient >= descent.head_gradient:
        return Health(
            "not converged",
            f"training error 0 and {moved}, but the head's gradient is {seen.head_gradient:.2g} of its decay's pull, "
            f"expected below {descent.head_gradient:g}; give it a longer horizon",
        )
    return Health("converged", f"training error 0, and {moved}")


def expect_bounded(value: float, step: int) -> None:
    """Raise ConvergenceError for an objective from which training does not return."""
    if not value < _DIVERGED:
        raise ConvergenceError(
            f"training: expected a bounded objective, but found {value} by step {step}; lower the learning rate or the "
            "head's initial scale"
        )


def _collapsed(seen: Evaluation, classes: int) -> Health:
    return Health(
        "collapsed",
        f"all logits fell to zero (largest {seen.largest_logit:.2g}, cross-entropy log K = {math.log(classes):.6f}); "
        "with two layers or more this is a local minimum; raise the head's initial scale, lower the decay, or take "
        "fewer layers",
    )


def _with_errors(seen: Evaluation, moved: str, *, still: bool, classes: int) -> Health:
    found = f"training error {seen.train_error:.3g} and {moved}"
    if not still:
        return Health("not converged", f"{found}; give it a longer horizon")
    rank = seen.effective_rank
    if seen.train_error <= _FEW_ERRORS / classes:
        return Health("not converged", f"{found}; few images are left: lower the rate, or give it a longer horizon")
    if rank < classes - 1:
        return Health(
            "stalled",
            f"{found}, at objective {seen.objective:.6g} and effective rank {rank:.2f} of {classes - 1}: deep heads "
            "gain one singular direction at a time, with plateaus between; give it a longer horizon, raise the head's "
            "initial scale, start residual branches at zero, or lower the decay",
        )
    return Health("not converged", f"{found}, at full rank; take a larger backbone, or check the labels")
