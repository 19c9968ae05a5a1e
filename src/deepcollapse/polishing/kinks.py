"""Newton's method along the kinks of a ReLU feature model, to where no input at a kink is better off elsewhere.

Where a hidden input y of a ReLU is 0 and its activation is worth the slope s to F, F bends. With F_0 the smooth
function in which these activations are 0, a point at kinks is critical where F_0' = -sum_j mu_j y_j' with multipliers
0 <= mu_j <= s_j. ``first_order`` says what that proves.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature.hessian import flatten, unflatten
from deepcollapse.polishing.held import Bends, Held, among, held_at, hidden
from deepcollapse.polishing.merged_samples import MergedSamples
from deepcollapse.ufm import Factors

__all__ = ["Kinks", "along_kinks", "bent_inputs"]

_LARGEST = 4_000_000  # entries of the derivative of all kinked inputs
_SHARES = (1e-2, 1e-3, 1e-5)  # of a layer's largest input, below which an input may belong to a kink
_STEPS = 200
_RESTORATIONS = 4
_PRUNINGS = 6
_CONJUGATE_STEPS = 400
_CALM = 0.3
_NUDGE = 1e-6
_NEAR_KINK = 1e-3
_FLAT = 1e-9  # share of the largest slope that is none
_ZERO = 1e-9  # share of a layer's largest input that is 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinks:
    """A point at kinks.

    Attributes:
        factors: balanced coordinates.
        count: inputs held at 0 where F bends.
        residual: norm of F_0' + sum_j mu_j y_j' for the best multipliers (0 <= mu_j <= s_j where it is at most the
            goal), joined by the distance of the inputs from 0 times the decay.
        steps: taken.
    """

    factors: Factors
    count: int
    residual: float
    steps: int


def along_kinks(model: MergedSamples, factors: Factors, *, value: float, goal: float) -> Kinks | None:
    """The critical point at kinks that descent along them reaches from near by; None if none, or above F's value.

    The kinks are guessed from small inputs. Steps are Newton's within a trust region; each ends with inputs back at 0.
    An input is released where F falls when it alone leaves 0 (its multiplier is negative or above its slope), and held
    where a step failed because it changed sign. F can rise on the way, in releasing and holding; an end above ``value``
    is dropped.

    Args:
        model: the samples.
        factors: near the kinks, balanced coordinates.
        value: F there.
        goal: residual, in units of F's gradient, at which to stop.
    """
    best = None
    for share in _SHARES:
        held = _guessed(model, factors, share)
        if held is None:
            continue
        held, steps = _descended(model, held, goal)
        lands = model.value_and_gradient(held.operator.factors)[0]
        if lands <= value * (1.0 + 1e-14) and (best is None or held.residual < best.residual):
            best = Kinks(factors=held.operator.factors, count=_bending(held), residual=held.residual, steps=steps)
        if best is not None and best.residual <= goal:
            break
    return best


def _descended(model: MergedSamples, held: Held, goal: float) -> tuple[Held, int]:
    unit = float(np.linalg.norm(flatten(held.operator.factors)))
    radius, calm = 0.01 * unit, _CALM * held.residual
    for count in range(_STEPS):
        if held.residual <= max(goal, calm):
            freed = _freed(model, held)
            if freed is None and held.residual <= goal:
                return held, count
            calm, held, radius = 0.3 * calm, held if freed is None else freed, max(radius, 1e-3 * unit)
        factors = held.operator.factors
        step, promised = _tangent(held, radius)
        trial = _restored(held, unflatten(flatten(factors) + step, held.operator.shapes), limit=radius)
        before, after = model.value_and_gradient(factors)[0], model.value_and_gradient(trial)[0]
        if promised <= 1e-12 * before:
            there = held_at(model, trial, held.bends)
            if there.residual > 0.9 * held.residual:
                return held, count
            held = there
        elif before - after >= 1e-3 * promised:
            radius *= 2.0 if before - after >= 0.7 * promised else 1.0
            held = held_at(model, trial, held.bends)
        else:
            radius = 0.25 * float(np.linalg.norm(step))
            if radius > _NEAR_KINK * unit:
                continue
            crossing = [(y > 0) != (z > 0) for y, z in zip(hidden(model, factors), hidden(model, trial), strict=True)]
            bends = tuple(a | b for a, b in zip(held.bends, crossing, strict=True))
            more = held_at(model, factors, bends)
            there = _restored(more, factors, limit=radius)
            if model.value_and_gradient(there)[0] <= before + promised:
                held = held_at(model, there, bends)
    return held, _STEPS


def _freed(model: MergedSamples, held: Held) -> Held | None:
    """Release the inputs of the largest violation, a little to the side on which F falls; None without a violation."""
    if not held.falls.any():
        return None
    outside = held.violation >= 0.5 * held.violation.max()
    sizes = [int(bend.sum()) for bend in held.bends]
    largest = np.repeat([np.abs(y).max() for y in hidden(model, held.operator.factors)], sizes)
    aim = np.where(outside, np.where(held.upwards, 1.0, -1.0) * _NUDGE * largest, 0.0)
    step = held.normal_step(held.inputs - aim)
    factors = unflatten(flatten(held.operator.factors) + step, held.operator.shapes)
    return held_at(model, factors, among(held.bends, ~outside))


def _restored(held: Held, factors: Factors, *, limit: float) -> Factors:
    """The held inputs back at 0 by steps along their normals, as these were at the held point."""
    for _ in range(_RESTORATIONS):
        inputs, activations = [], factors[0]
        for weight, bend in zip(factors[1:-1], held.bends, strict=True):
            before = weight @ activations
            inputs.append(before[bend])
            activations = np.where(bend, 0.0, np.maximum(before, 0.0))
        away = np.concatenate(inputs)
        step = held.normal_step(away)
        if not np.linalg.norm(step) <= limit:
            break
        factors = unflatten(flatten(factors) + step, held.operator.shapes)
    return factors


def bent_inputs(model: MergedSamples, factors: Factors, *, jump: float) -> int:
    """How many inputs of the hidden ReLUs are 0 where F's gradient jumps by more than ``jump``.

    An input that stays 0 nearby, because all that leads to it is off, bends nothing.
    """
    point, count, live = model.hessian(factors), 0, np.ones(factors[0].shape, dtype=bool)
    for depth, before in enumerate(hidden(model, factors), start=1):
        slope = factors[depth + 1].T @ point.errors[depth + 1]
        columns = np.square(point.inputs[depth - 1]).sum(axis=0)
        jumps = np.abs(slope) * np.sqrt(np.square(factors[depth]) @ live + columns)
        zero = _ZERO * np.abs(before).max(initial=0.0)
        count += int(((np.abs(before) <= zero) & (jumps > jump)).sum())
        live = before >= -zero
    return count


def _bending(held: Held) -> int:
    sizes = np.abs(held.slopes)
    return int((sizes > _FLAT * sizes.max(initial=0.0)).sum())


def _guessed(model: MergedSamples, factors: Factors, share: float) -> Held | None:
    bends = tuple(np.abs(y) <= share * np.abs(y).max(initial=0.0) for y in hidden(model, factors))
    return _pruned(model, factors, bends)


def _pruned(model: MergedSamples, factors: Factors, bends: Bends) -> Held | None:
    """Let go of the inputs from whose 0 F falls, in a few rounds."""
    for _ in range(_PRUNINGS):
        size = sum(factor.size for factor in factors) * sum(int(bend.sum()) for bend in bends)
        if not 0 < size <= _LARGEST:
            return None
        held = held_at(model, factors, bends)
        if not held.falls.any():
            return held
        bends = among(bends, ~held.falls)
    return None


def _tangent(held: Held, radius: float) -> tuple[Float[np.ndarray, " p"], float]:
    """A Newton step along the kinks within the radius, by projected conjugate gradients, and the fall it promises.

    Source: Steihaug, SIAM J. Numer. Anal. 20 (1983).
    """
    solution, residual = np.zeros_like(held.gradient), -held.gradient
    search, squared = residual, float(residual @ residual)
    goal = 1e-4 * squared
    for _ in range(_CONJUGATE_STEPS):
        product = held.along(held.operator.flat_product(search))
        curvature = float(search @ product)
        length = squared / curvature if curvature > 0.0 else 0.0
        if curvature <= 0.0 or np.linalg.norm(solution + length * search) >= radius:
            if squared == 0.0:
                break
            solution = solution + _to_the_edge(solution, search, radius) * search
            break
        solution = solution + length * search
        residual = residual - length * product
        previous, squared = squared, float(residual @ residual)
        if squared <= goal:
            break
        search = residual + (squared / previous) * search
    curved = float(solution @ held.operator.flat_product(solution))
    return solution, -float(held.gradient @ solution) - 0.5 * curved


def _to_the_edge(start: Float[np.ndarray, " p"], way: Float[np.ndarray, " p"], radius: float) -> float:
    """The t > 0 with ||start + t way|| = radius."""
    a, b, c = float(way @ way), float(start @ way), float(start @ start) - radius**2
    return (np.sqrt(b * b - a * c) - b) / a
