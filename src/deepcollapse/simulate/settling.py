"""Whether runs at the horizon stand still, move without getting lower, or still descend."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.simulate.engine import Descent, Endpoint
from deepcollapse.ufm import Factors, Problem, forward, regularised_loss

__all__ = ["LOGITS_CHANGE", "LOSS_CHANGE", "Settling", "settling_steps"]

LOSS_CHANGE = 1e-10
"""Largest relative change of F over the window of a run that has settled, and the least fall that is one."""

LOGITS_CHANGE = 1e-6
"""Largest change of Z over the window of a run that has settled, relative to its norm.

What a direction of curvature mu still has to go shrinks to 1 / e within 1 / (lr mu) steps, so the change over that
many steps is at least 63 % of what is left. In float64 a smooth run converges first: its gradient norm is then below
1e-6 mu times the size of the change in the factors."""


def settling_steps(descent: Descent) -> tuple[int, int] | None:
    """Steps at which the last two windows before the horizon begin; None for a horizon too short for two.

    A window is at least ``Descent.window`` steps and a whole number of measurements.

    >>> settling_steps(Descent(lr=0.5, tolerance=1e-6, steps_max=10_000, window=250))
    (9400, 9700)
    """
    if descent.window is None:
        return None
    every = descent.check_every
    window = -(-descent.window // every) * every
    last = (descent.steps_max - window) // every * every
    return (last - window, last) if last >= window else None


@dataclass(slots=True)
class _Past:
    """A run before its last window and within: least F of both, and where it stood between them."""

    lowest_before: float = math.inf
    lowest_since: float = math.inf
    loss: float = math.nan
    logits: Float[np.ndarray, "K N"] | None = None


class Settling:
    """Watches the runs of an engine over the last two windows before their horizon. O(K N) memory for each of them.

    F and Z at both ends of the last window are compared in float64, whatever the engine computes in.
    """

    def __init__(self, problem: Problem, descent: Descent) -> None:
        self._problem, self._every, self._lr = problem, descent.check_every, descent.lr
        self._steps = settling_steps(descent)
        self._past: dict[int, _Past] = {}

    def look(
        self,
        seeds: Int[np.ndarray, " E"],
        ages: Int[np.ndarray, " E"],
        *,
        losses: Float[np.ndarray, " E"],
        factors: Callable[[int], Factors],
    ) -> None:
        """Take note of a measurement of every run; ``factors`` gives those of one, by its index."""
        if self._steps is None:
            return
        first, last = self._steps
        for index in map(int, np.flatnonzero(ages > first)):
            past, age = self._past.setdefault(int(seeds[index]), _Past()), int(ages[index])
            if age > last:
                past.lowest_since = min(past.lowest_since, float(losses[index]))
                continue
            past.lowest_before = min(past.lowest_before, float(losses[index]))
            if age > last - self._every:  # the next measurement may be later
                model = factors(index)
                past.loss, past.logits = regularised_loss(model, self._problem), forward(model, self._problem)

    def judged(self, end: Endpoint) -> Endpoint:
        """The end, with what was found of a run that came to the horizon."""
        past = self._past.pop(end.seed, None)
        if end.status != "not converged" or past is None or past.logits is None or end.factors is None:
            return end
        if self._stands_still(past, end.factors) and not self._jumps(end.gradient_norm, end.factors):
            return replace(end, status="settled")
        fell = past.lowest_since < (1.0 - LOSS_CHANGE) * past.lowest_before
        return end if fell else replace(end, status="stalled")

    def _jumps(self, gradient_norm: float, factors: Factors) -> bool:
        """Whether a single step leads away, so that F and Z only come back; at kinks that is rest."""
        size = math.sqrt(sum(float(np.square(factor).sum()) for factor in factors))
        return self._problem.activation == "linear" and self._lr * gradient_norm > LOGITS_CHANGE * size

    def _stands_still(self, past: _Past, factors: Factors) -> bool:
        loss, logits = regularised_loss(factors, self._problem), forward(factors, self._problem)
        moved, size = np.linalg.norm(logits - past.logits), np.linalg.norm(logits)
        return abs(loss - past.loss) <= LOSS_CHANGE * loss and bool(moved <= LOGITS_CHANGE * size)
