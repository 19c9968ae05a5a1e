"""Descent of the feature model to rest: L-BFGS, then Newton steps by conjugate gradients."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from deepcollapse.curvature.hessian import HessianOperator, flatten, unflatten
from deepcollapse.polishing.kinks import along_kinks, bent_inputs
from deepcollapse.polishing.merged_samples import MergedSamples, merged_samples
from deepcollapse.ufm import Factors

__all__ = ["Progress", "Rest", "rest"]

Progress = Callable[[int, float], None]
"""Called with (steps done, relative gradient norm)."""

_LEG = 500  # L-BFGS steps between looks at the columns
_NEWTON_STEPS = 30  # in a row
_NEAR = 1e-2  # relative gradient norm below which Newton steps are tried
_CONJUGATE_STEPS = 400  # a Newton direction left unsolved after as many is still one of descent
_ARMIJO = 1e-4
_HALVINGS = 30
_ROUNDING = 1e-14  # relative, of one loss
_NO_GAIN = {"linear": 1e-13, "relu": 1e-6}  # relative gain of a whole round that counts as none
_JUMP = 1e-6  # of the gradient, in decays: what bends less counts as smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Where a descent is.

    Attributes:
        model: samples and their columns.
        factors: in balanced coordinates.
        value: F.
        gradient_norm: ||dF|| over decay times ``size``.
        size: the larger norm of all factors, at the start or here: a descent to zero has no size of its own.
        steps: of L-BFGS and Newton so far.
        kinks: hidden inputs at 0 where F bends; then ``gradient_norm`` is that of the least generalised gradient.
    """

    model: MergedSamples
    factors: Factors
    value: float
    gradient_norm: float
    size: float
    steps: int
    kinks: int = 0


def rest(
    model: MergedSamples,
    factors: Factors,
    *,
    tolerance: float,
    steps_max: int,
    progress: Progress | None = None,
) -> Rest:
    """Descend until the relative gradient norm is at most the tolerance, the steps are used up, or nothing is gained.

    No stage ends at a higher F than it began with, up to rounding: a round of L-BFGS, a Newton step, columns that join,
    a round along kinks. Within a round along kinks F can rise, where inputs are pushed off 0 or brought back to it; a
    round that ends higher is dropped. L-BFGS stops where differences of F drown in rounding, at a relative gradient
    near 1e-8; Newton's method goes on from there. Its directions come from truncated conjugate gradients, which end at
    negative curvature: they always descend, and are not drawn to saddles. Columns that may join do so between rounds.

    Args:
        model: the samples.
        factors: where to start, in balanced coordinates.
        tolerance: of the relative gradient norm.
        steps_max: of L-BFGS and Newton together.
        progress: called between rounds.
    """
    here = _at(model, factors, size=0.0, steps=0)
    while here.gradient_norm > tolerance and here.steps < steps_max:
        before = here
        here = _leg(here, tolerance=tolerance, steps_max=steps_max)
        here = _newton(here, tolerance=tolerance, steps_max=steps_max)
        columns = here.factors[0].shape[1]
        if model.problem.activation == "relu":
            here = _at_kinks(_joined(here), tolerance=tolerance)
        if progress:
            progress(here.steps, here.gradient_norm)
        lower = (
            here.value < before.value * (1.0 - _NO_GAIN[model.problem.activation]) or here.factors[0].shape[1] < columns
        )
        if not lower and here.gradient_norm > 0.5 * before.gradient_norm:
            return min(before, here, key=lambda end: end.gradient_norm)
    return here if here.kinks or model.problem.activation == "linear" else _at_kinks(here, tolerance=tolerance)


def _at(model: MergedSamples, factors: Factors, *, size: float, steps: int) -> Rest:
    size = max(size, float(np.linalg.norm(flatten(factors))))
    value, gradient = model.value_and_gradient(factors)
    norm = float(np.linalg.norm(flatten(gradient)))
    relative = norm / (model.problem.mean_decay * size) if size > 0 else 0.0
    return Rest(model=model, factors=factors, value=value, gradient_norm=relative, size=size, steps=steps)


def _joined(here: Rest) -> Rest:
    """The same after columns joined."""
    return _at(*merged_samples(here.model, here.factors), size=here.size, steps=here.steps)


def _at_kinks(here: Rest, *, tolerance: float) -> Rest:
    unit = here.model.problem.mean_decay * here.size
    if here.gradient_norm <= tolerance:
        return replace(here, kinks=bent_inputs(here.model, here.factors, jump=_JUMP * unit))
    found = along_kinks(here.model, here.factors, value=here.value, goal=tolerance * unit)
    if found is None:
        return here
    there = _at(here.model, found.factors, size=here.size, steps=here.steps + found.steps)
    return replace(there, gradient_norm=found.residual / unit, kinks=found.count)


def _leg(here: Rest, *, tolerance: float, steps_max: int) -> Rest:
    """L-BFGS on F over the decay, so that nothing depends on the units of F."""
    shapes = tuple(factor.shape for factor in here.factors)
    decay = here.model.problem.mean_decay

    def value_and_gradient(point: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        factors = unflatten(point, shapes)
        value, gradient = here.model.value_and_gradient(factors)
        return value / decay, flatten(gradient) / decay

    start = flatten(here.factors)
    found = minimize(
        value_and_gradient,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": min(_LEG, steps_max - here.steps),
            "maxfun": 20 * _LEG,
            "maxcor": 10,
            "ftol": 0.0,
            "gtol": tolerance * here.size / start.size**0.5,
        },
    )
    there = _at(here.model, unflatten(found.x, shapes), size=here.size, steps=here.steps + int(found.nit))
    return there if there.value <= here.value else replace(here, steps=there.steps)


def _newton(here: Rest, *, tolerance: float, steps_max: int) -> Rest:
    for _ in range(_NEWTON_STEPS):
        if not tolerance < here.gradient_norm < _NEAR or here.steps >= steps_max:
            return here
        there = _newton_step(here)
        if there is None:
            return here
        here = there
    return here


def _newton_step(here: Rest) -> Rest | None:
    """One step, halved until F falls enough; None where no step lowers F, or the gradient where F is all rounding."""
    gradient = flatten(here.model.value_and_gradient(here.factors)[1])
    direction = _newton_direction(here.model.hessian(here.factors), gradient, rtol=min(0.1, here.gradient_norm**0.5))
    slope = float(direction @ gradient)
    shapes, start = tuple(factor.shape for factor in here.factors), flatten(here.factors)
    step, noise = 1.0, _ROUNDING * abs(here.value)
    for _ in range(_HALVINGS):
        there = _at(here.model, unflatten(start + step * direction, shapes), size=here.size, steps=here.steps + 1)
        flat = -step * slope <= 10.0 * noise
        if flat and there.gradient_norm < here.gradient_norm and there.value <= here.value + noise:
            return there
        if not flat and there.value <= here.value + _ARMIJO * step * slope:
            return there
        step *= 0.5
    return None


def _newton_direction(
    hessian: HessianOperator, gradient: Float[np.ndarray, " p"], *, rtol: float
) -> Float[np.ndarray, " p"]:
    """Conjugate gradients for H x = -g, cut off at negative curvature: a direction of descent in every case.

    Source: Steihaug, SIAM J. Numer. Anal. 20 (1983), without the trust region.
    """
    solution, residual = np.zeros_like(gradient), -gradient
    search, squared = residual, float(residual @ residual)
    goal = rtol**2 * squared
    for _ in range(_CONJUGATE_STEPS):
        product = hessian.flat_product(search)
        curvature = float(search @ product)
        if curvature <= 1e-9 * hessian.decays[0] * float(search @ search):
            return solution if solution.any() else search
        length = squared / curvature
        solution = solution + length * search
        residual = residual - length * product
        previous, squared = squared, float(residual @ residual)
        if squared <= goal:
            break
        search = residual + (squared / previous) * search
    return solution
