"""What an engine of gradient descent is given and what it gives back; engines differ in speed only."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np

from deepcollapse.curvature import settling_rate
from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.model_size import expect_trainable
from deepcollapse.simulate.optimiser import GradientDescent, Optimiser
from deepcollapse.ufm import Factors, Problem, regularised_loss
from deepcollapse.ufm.structures import zero

__all__ = [
    "DECIDED",
    "STATUSES",
    "Descent",
    "Endpoint",
    "Engine",
    "Progress",
    "Report",
    "Start",
    "Status",
    "descent",
    "expected_steps",
    "loss_ceiling",
    "progress",
]

Status = Literal["converged", "settled", "zero", "not converged", "stalled", "diverged", "interrupted"]
"""How a run ended.

"converged": the gradient norm fell below the tolerance. "settled": objective and logits stand still at the horizon,
see ``simulate.settling``, or the run jumps about a rest point on the kinks of a ReLU model. "zero": one of the two, and
the logits are zero. "not converged": the objective still fell at the horizon. "stalled": it fell no further there,
while the run still moved. "diverged": the loss blew up. "interrupted": stopped before its end."""

STATUSES: tuple[Status, ...] = get_args(Status)

DECIDED: tuple[Status, ...] = ("converged", "settled", "zero")
"""Statuses of runs that have an end to be named. The others are undecided: each might end anywhere."""

Start = tuple[int, Factors]
"""The seed of a run and its initial factors (float64)."""

_COARSEST = 1e-2  # tolerance over decay at which a slow passage by a saddle still passes for convergence
_DEFAULT = 1e-3
_LONGEST = 1e12  # steps of a default horizon at most
_HORIZON = 200.0
_SOFTEST = 0.01  # least share of the decay in a default horizon: at a change of stability the rate itself is 0
_SMALLEST = 1e-300  # lr decay at least, so that a horizon stays finite
_BLOW_UP = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """Full-batch descent on every factor at once, and when it stops: by default A <- A - lr dF/dA.

    A run has converged when ||grad F||, the Frobenius norm over all factors divided by nothing, is at most
    ``tolerance``. It is measured every ``check_every`` steps and at the horizon; a run that is still moving there has
    not converged, whatever it looks like. The gradient is that of F whatever the optimiser makes of it.

    A ReLU model need not get there: where its minimum lies on a kink, steps jump to and fro across it and the gradient
    stays of the size of its jump. A run that reaches the horizon is therefore looked at over the last ``window`` steps:
    it has settled if nothing changed, and stalled if it moved without getting lower (``simulate.settling``).

    Args:
        lr: learning rate > 0.
        tolerance: gradient norm > 0.
        steps_max: the horizon, at least one step.
        check_every: steps between two measurements; a few percent of the cost at 100.
        window: steps over which a run that has settled stands still; None looks for convergence only.
        optimiser: how gradients become steps.

    Raises:
        InvalidInputError: a number out of range.
    """

    lr: float
    tolerance: float
    steps_max: int
    check_every: int = 100
    window: int | None = None
    optimiser: Optimiser = field(default_factory=GradientDescent)

    def __post_init__(self) -> None:
        for name, remedy in {"lr": "0.5 is a safe start", "tolerance": "leave it out for the default"}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise InvalidInputError(f"{name}: expected a finite number > 0, but found {value!r}; {remedy}")
        for name in ("steps_max", "check_every", "window"):
            value = getattr(self, name)
            if name == "window" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidInputError(
                    f"{name}: expected a whole number >= 1, but found {value!r}; leave it out for the default"
                )


def descent(
    problem: Problem,
    lr: float,
    *,
    tolerance: float | None = None,
    steps_max: int | None = None,
    optimiser: Optimiser | None = None,
) -> Descent:
    """The stopping rule for a problem, with defaults that follow its decay.

    Near a critical point the gradient along a direction that should vanish is about decay times what is left of it, so
    a gradient norm means something relative to the (smallest) decay only. Default tolerance: 1e-6, or decay / 1000
    where that is less. Default horizon: 200 / (lr mu) steps, mu the slowest direction at the expected ends
    (``curvature.settling_rate``), taken as a hundredth of the decay where it is less; half of the linear runs need
    about 20 / (lr mu), slow ones three times that (measured). With another optimiser it is 200 times its
    ``settling_steps``. A run settles over one of these, 1 / (lr mu) steps.

    Raises:
        InvalidInputError: a number out of range, or a tolerance above decay / 100, where a run that only passes slowly
            by a saddle would count as converged.
        TooLargeError: a model too large to train, see ``expect_trainable``.

    >>> descent(Problem(classes=10, layers=2, decay=2.0**-10), 0.5).steps_max
    409600
    """
    expect_trainable(problem)
    least = min(problem.factor_decays)
    if tolerance is None:
        tolerance = min(1e-6, _DEFAULT * least)
    rule = GradientDescent() if optimiser is None else optimiser
    settings = Descent(lr=lr, tolerance=tolerance, steps_max=1 if steps_max is None else steps_max, optimiser=rule)
    slowest = max(settling_rate(problem), _SOFTEST * least, _SMALLEST / lr)
    settling = rule.settling_steps(lr, slowest)
    settings = replace(settings, window=math.ceil(settling))
    if tolerance > _COARSEST * least:
        raise InvalidInputError(
            f"tolerance: expected at most decay / 100 = {_COARSEST * least:.3g}, but found {tolerance!r}; "
            "a larger gradient norm cannot tell a critical point from a slow passage: lower it"
        )
    if steps_max is not None:
        return settings
    horizon = _HORIZON * settling
    if horizon >= _LONGEST:
        raise InvalidInputError(
            f"steps_max: expected lr * decay large enough for a default horizon below {_LONGEST:g} steps, but found "
            f"{lr * least:.3g}; raise lr or give a horizon"
        )
    return replace(settings, steps_max=math.ceil(horizon))


def expected_steps(problem: Problem, rule: Descent) -> int:
    """Steps in which the gradient norm falls from 1 to the tolerance at the slowest rate, log(1 / tol) / (lr mu).

    mu is ``curvature.settling_rate``; with another optimiser 1 / (lr mu) is its ``settling_steps``. A run takes longer
    by what it needs to reach the neighbourhood of its end.

    >>> problem = Problem(classes=10, layers=3, decay=0.0135)
    >>> expected_steps(problem, descent(problem, 0.5))
    84930
    """
    settling = rule.optimiser.settling_steps(rule.lr, settling_rate(problem))
    return math.ceil(max(math.log(1.0 / rule.tolerance), 1.0) * settling)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one run ended.

    Attributes:
        seed: of its start.
        status: how it ended; an engine does not say "zero" or "interrupted".
        steps: taken.
        gradient_norm: ||grad F|| at the last measurement; not finite where a run overflowed.
        factors: in float64; None where the run diverged.
    """

    seed: int
    status: Status
    steps: int
    gradient_norm: float
    factors: Factors | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of an ensemble under way: runs by how they ended, runs in the batch, steps done over all runs.

    Runs that came to the horizon are ``not_converged``, whatever they are found to be there.
    """

    converged: int
    not_converged: int
    diverged: int
    running: int
    steps: int

    @property
    def ended(self) -> int:
        """Runs that are over, one way or another."""
        return self.converged + self.not_converged + self.diverged


Report = Callable[[Progress], None]


@runtime_checkable
class Engine(Protocol):
    """Runs gradient descent from many starts.

    Every engine takes the same steps from the same start up to rounding, whatever else is in its batch.
    """

    @property
    def name(self) -> str:
        """What ran, for the record: library, precision, device."""
        ...

    def train(
        self, problem: Problem, starts: Iterable[Start], *, descent: Descent, report: Report | None = None
    ) -> Iterator[Endpoint]:
        """Run every start to its end and yield the endpoints as they come, in no particular order.

        ``starts`` is read lazily: what has not begun costs no memory. ``report`` is called after each measurement.
        """
        ...


def progress(ended: Mapping[Status, int], *, running: int, steps: int) -> Progress:
    """The counts of an ensemble from those of its ends.

    >>> progress({"converged": 2, "settled": 1, "stalled": 1, "diverged": 1}, running=3, steps=500)
    Progress(converged=2, not_converged=2, diverged=1, running=3, steps=500)
    """
    converged, diverged = ended.get("converged", 0), ended.get("diverged", 0)
    return Progress(converged, sum(ended.values()) - converged - diverged, diverged, running, steps)


def loss_ceiling(factors: Factors, problem: Problem) -> float:
    """The loss above which a run from these factors counts as diverged: 100 times the larger of F(start) and F(0)."""
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is a divergence, found by the engine
        start = regularised_loss(factors, problem)
    return _BLOW_UP * max(start, zero(problem).loss)
