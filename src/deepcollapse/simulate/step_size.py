"""A learning rate that is stable where gradient descent starts, on its way, and where it ends."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from deepcollapse.curvature import HessianOperator, hessian_at, structure_spectrum
from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.simulate.engine import Start
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum, Optimiser
from deepcollapse.ufm import Factors, Problem, collapse, gradient, structures

__all__ = ["Sharpness", "StableRate", "sharpness", "stable_lr"]

_MARGIN = 0.5  # of the bound; for momentum times 1 - beta, see stable_lr
_SHARE = 0.25  # of the largest stable step, on the way from a start
_LEG = 5  # steps between two looks at the curvature
_LOOKS = 40
_GROWTH = 2.0  # of the curvature between two looks
_HUGE = 1e30  # entries at which products of a few factors are still finite
_ACCURACY = 1e-2  # of a curvature; the margin is far larger
_KRYLOV = 12  # Lanczos vectors between restarts
_TINY = 64  # parameters up to which a dense Hessian is cheaper
_DENSE = 1500  # parameters of a structure at the width of its rank, diagonalised within a second


@dataclass(frozen=True, slots=True)
class Sharpness:
    """The largest eigenvalue of the Hessian at one point, and which point that is."""

    value: float
    where: str


@dataclass(frozen=True, slots=True)
class StableRate:
    """A learning rate with its reason.

    Attributes:
        lr: proposed, half of the bound, for momentum (1 - beta) / 2 of it.
        bound: the largest stable learning rate at the sharpest of the points.
        points: what was looked at, the sharpest first.
        followed: whether any start was; without one nothing is known of the way to a minimum.
    """

    lr: float
    bound: float
    points: tuple[Sharpness, ...]
    followed: bool

    @property
    def limited_by(self) -> Sharpness:
        """The sharpest point."""
        return self.points[0]

    @property
    def reason(self) -> str:
        """One sentence for people."""
        sharpest = self.limited_by
        known = "" if self.followed else "; the way there was not followed and may ask for less"
        return (
            f"{self.lr:.3g} is {self.lr / self.bound:.2g} of {self.bound:.3g}, the largest stable learning rate "
            f"at the largest curvature seen, {sharpest.value:.3g} at {sharpest.where}{known}"
        )


def stable_lr(problem: Problem, starts: Iterable[Start] = (), *, optimiser: Optimiser | None = None) -> StableRate:
    """Half of the largest learning rate that is stable at every point looked at; (1 - beta) / 2 of it for momentum.

    Near a critical point plain gradient descent is stable iff lr < 2 / lambda_max, momentum iff
    lr < 2 (1 + beta) / lambda_max, lambda_max the largest eigenvalue of the Hessian there. Looked at are

    - collapse (closed form, whatever the width) and the named critical point of least loss, for linear models;
    - each start, and its way down for at most 200 steps of a quarter of what is stable where they are taken. The
      curvature usually rises there, while the loss falls.

    What rises later and slowly is left out: gradient descent stays where the curvature is about 2 / lr then (the edge
    of stability, arXiv 2103.00065), while a sudden rise throws it out.

    A few starts do for an ensemble, whose peaks differ by less than the margin. Measured for K = 2..10, L = 1..4, d up
    to 70, both losses and activations, 24 runs each: no plain run diverged at the bound found from four starts.
    Momentum carries a run through a valley while the curvature grows: with beta = 0.9 up to 22 of 24 runs diverged at
    half of the bound and none at a tenth, hence its smaller share. Starts so close to zero that most runs fall back to
    it (a ReLU model with init_scale 0.1) show nothing of the valleys that the others find.

    Args:
        problem: the model.
        starts: a few of those to be trained; the cost is about a thousand gradients each.
        optimiser: None is plain gradient descent.

    Raises:
        InvalidInputError: nothing to look at (ReLU or no critical structure, and no starts); a huge start; Adam, whose
            steps do not grow with the gradient.

    >>> rate = stable_lr(Problem(classes=10, layers=2, samples=5, width=70))
    >>> round(rate.lr, 1), rate.limited_by.where
    (51.2, 'paired')
    """
    rule = GradientDescent() if optimiser is None else optimiser
    if isinstance(rule, Adam):
        raise InvalidInputError(
            f"optimiser: expected one whose steps grow with the gradient, but found {rule.name}; give lr, 0.01 is usual"
        )
    ends, ways = list(_ends(problem)), [point for start in starts for point in _way(start, problem)]
    points = tuple(sorted((*ends, *ways), key=lambda point: -point.value))
    if not points:
        raise InvalidInputError(
            "starts: expected at least one where no minimum is known in closed form, but found none; "
            "give a few of those to be trained"
        )
    bound = rule.largest_lr(points[0].value)
    share = _MARGIN * (1.0 - rule.beta) if isinstance(rule, Momentum) else _MARGIN
    return StableRate(share * bound, bound, points, followed=bool(ways))


def sharpness(factors: Factors, problem: Problem) -> float:
    """The largest eigenvalue of the Hessian at any factors, linear or ReLU, to about one percent; see ``Sharpness``.

    Lanczos on Hessian-vector products, so it costs some tens of gradients, whatever the number of parameters.

    >>> from deepcollapse.curvature import collapse_spectrum
    >>> from deepcollapse.ufm import balanced_factors
    >>> problem = Problem(classes=4, layers=2, width=8)
    >>> point = balanced_factors(collapse(problem).logits, problem)
    >>> round(sharpness(point, problem) / collapse_spectrum(problem).maximum, 2)
    1.0
    """
    return _top(hessian_at(factors, problem), None)[0]


def _ends(problem: Problem) -> Iterator[Sharpness]:
    """Collapse and the named critical point of least loss, where they are known and cheap."""
    if problem.activation != "linear" or not problem.balanced:
        return
    listed = [found for found in structures(problem) if found.critical]
    collapsed = _collapse_name(problem)
    best = min(listed, key=lambda found: found.loss)
    for found in listed:
        closed_form = found.name == "simplex" and problem.loss == "ce"
        core = 2 * problem.classes * found.rank + (problem.layers - 1) * found.rank**2
        if (found is best or found.name == collapsed) and (closed_form or core <= _DENSE):
            where = "collapse" if found.name == collapsed else found.name
            yield Sharpness(structure_spectrum(found, problem).maximum, where)


def _collapse_name(problem: Problem) -> str | None:
    try:
        return collapse(problem).name
    except UndefinedError:
        return None


def _way(start: Start, problem: Problem) -> Iterator[Sharpness]:
    """The start and looks along its way down.

    The steps are as long as the curvature allows where they are taken, and shorter where it more than doubled on the
    way to the next look: from the flat neighbourhood of a saddle they would otherwise leap across the valley.
    """
    seed, factors = start
    largest = max(np.abs(factor).max() for factor in factors)
    if not largest < _HUGE:
        raise InvalidInputError(
            f"starts: expected entries below {_HUGE:g}, but found {largest:.3g} in that of seed {seed}; scale it down"
        )
    value, guess = _top(hessian_at(factors, problem), None)
    yield Sharpness(value, f"the start of seed {seed}")
    step = math.inf
    for _ in range(_LOOKS):
        step = min(step, _SHARE * GradientDescent().largest_lr(value))
        ahead = _descended(factors, problem, step=step)
        found = None if ahead is None else _top(hessian_at(ahead, problem), guess)
        if ahead is None or found is None or found[0] > _GROWTH * value:
            step /= 4.0
            continue
        factors, (value, guess), step = ahead, found, 2.0 * step
        yield Sharpness(value, f"the way from seed {seed}")


def _descended(factors: Factors, problem: Problem, *, step: float) -> Factors | None:
    """The factors one leg of gradient descent later, None where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_LEG):
            slopes = gradient(factors, problem)
            factors = tuple(factor - step * slope for factor, slope in zip(factors, slopes, strict=True))
    return factors if all(np.abs(factor).max() < _HUGE for factor in factors) else None


def _top(hessian: HessianOperator, guess: Float[np.ndarray, " p"] | None) -> tuple[float, Float[np.ndarray, " p"]]:
    """The largest eigenvalue with its eigenvector, sought from a guess."""
    size = hessian.parameters
    if size <= _TINY:
        values, vectors = np.linalg.eigh(hessian.dense())
        return float(values[-1]), vectors[:, -1]
    noise = np.random.default_rng(0).standard_normal(size) / math.sqrt(size)
    values, vectors = eigsh(
        LinearOperator((size, size), matvec=hessian.flat_product, dtype=np.float64),  # type: ignore[call-arg]
        1,
        which="LA",
        v0=noise if guess is None else guess + 0.1 * noise,
        ncv=_KRYLOV,
        tol=_ACCURACY,  # type: ignore[arg-type]
    )
    return float(values[0]), vectors[:, 0]
