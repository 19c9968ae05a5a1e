"""Command line options that describe how an ensemble starts and steps."""

from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from deepcollapse.cli.model import Real, RealOrAuto, Whole
from deepcollapse.simulate import Descent, Initialisation, descent, optimiser_named, stable_lr
from deepcollapse.ufm import Problem

__all__ = ["Rule", "Start"]

_FOLLOWED = 4  # starts on whose way the curvature is measured; the peaks of others differ by less than the margin


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where runs begin."""

    init: str = "gaussian"
    "Law of the initial factors: gaussian, pytorch, orthogonal, spectral, near-dnc, near-paired, near-T5 and so on."
    init_scale: Real = 1.0
    "s: Gaussian entries start as N(0, s^2 / d); the other laws scale likewise."
    init_distance: Real | None = None
    "For near-...: size of the perturbation relative to each factor."

    def initialisation(self) -> Initialisation:
        """The law as an object; raises InvalidInputError for one that is none."""
        return Initialisation(self.init, self.init_scale, self.init_distance)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How runs step, and when they end."""

    lr: RealOrAuto = 0.5
    "Learning rate; auto takes half of what is stable at the largest curvature on the way from the first four starts."
    optimiser: Literal["gd", "momentum", "adam"] = "gd"
    "Plain gradient descent, heavy ball, or Adam; the decay is part of the gradient."
    beta: Real | None = None
    "Of momentum; default 0.9."
    steps_max: Whole | None = None
    "Horizon, after which a run counts as not converged; default 200 / (lr mu), mu the slowest rate expected."
    tol: Real | None = None
    "A run has converged when the norm of its gradient is at most this; default 1e-6, less for tiny decay."

    def descent(self, problem: Problem, initialisation: Initialisation) -> Descent:
        """The rule for a problem; raises InvalidInputError for numbers out of range."""
        optimiser, lr = optimiser_named(self.optimiser, beta=self.beta), self.lr
        if lr == "auto":
            lr = stable_lr(problem, initialisation.starts(problem, range(_FOLLOWED)), optimiser=optimiser).lr
        return descent(problem, lr, tolerance=self.tol, steps_max=self.steps_max, optimiser=optimiser)
