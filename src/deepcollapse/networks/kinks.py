"""ReLU feature models at kinks: the least generalised gradient, and Newton's method along the kinks.

Where a hidden input y of a ReLU is 0 and its activation is worth the slope s to F, F bends. With F_0 the smooth
function that holds these activations at 0, every F_0' + sum m s y' with m in [0, 1] is a generalised gradient (Clarke).
A point is critical where one of them is 0: that of a constrained problem, F_0 at all y = 0, with multipliers m s.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import qr, solve_triangular

from deepcollapse.curvature.hessian import HessianOperator, flatten, linearised, unflatten
from deepcollapse.networks.merged_samples import MergedSamples
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
_FAR = 1e6  # a share of a multiplier that is out of all bounds
_DEPENDENT = 1e-6  # relative, of the derivatives of kinked inputs

Bends = tuple[Bool[np.ndarray, "d P"], ...]
"""Which inputs of the ReLUs of layers 1 to L - 1 are held at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinks:
    """A point at kinks.

    Attributes:
        factors: balanced coordinates.
        count: inputs held at 0 where F bends.
        residual: norm of the least generalised gradient (multipliers free, all in [0, 1] where it is at most the
            goal), joined by the distance of the inputs from 0.
        steps: taken.
    """

    factors: Factors
    count: int
    residual: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """F_0 to second order at a point, its constraints, and the multipliers of the least generalised gradient."""

    operator: HessianOperator
    bends: Bends
    inputs: Float[np.ndarray, " k"]
    span: Float[np.ndarray, "p r"]
    triangle: Float[np.ndarray, "r r"]
    order: Int[np.ndarray, " r"]
    gradient: Float[np.ndarray, " p"]
    shares: Float[np.ndarray, " k"]
    slopes: Float[np.ndarray, " k"]

    @property
    def residual(self) -> float:
        normal = self.operator.decays[0] * np.linalg.norm(self.normal_step(self.inputs))
        return float(np.hypot(np.linalg.norm(self.gradient), normal))

    @property
    def bending(self) -> int:
        sizes = np.abs(self.slopes)
        return int((sizes > _FLAT * sizes.max(initial=0.0)).sum())

    def along(self, vector: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        return vector - self.span @ (self.span.T @ vector)

    def normal_step(self, inputs: Float[np.ndarray, " k"]) -> Float[np.ndarray, " p"]:
        """The shortest step that takes the held inputs to 0 to first order."""
        return -self.span @ solve_triangular(self.triangle, inputs[self.order], trans=1)


def along_kinks(model: MergedSamples, factors: Factors, *, value: float, goal: float) -> Kinks | None:
    """The critical point at kinks that descent along them reaches from near by; None if none, or above F's value.

    The kinks are guessed from small inputs. Steps are Newton's within a trust region; each ends with inputs back at 0.
    Inputs whose multiplier leaves [0, 1] are let go, and those that a failed step made change sign are held. Letting go
    and holding can raise F on the way; only the end is held against ``value``.

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
            best = Kinks(factors=held.operator.factors, count=held.bending, residual=held.residual, steps=steps)
        if best is not None and best.residual <= goal:
            break
    return best


def _descended(model: MergedSamples, held: _Held, goal: float) -> tuple[_Held, int]:
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
            there = _held(model, trial, held.bends)
            if there.residual > 0.9 * held.residual:
                return held, count
            held = there
        elif before - after >= 1e-3 * promised:
            radius *= 2.0 if before - after >= 0.7 * promised else 1.0
            held = _held(model, trial, held.bends)
        else:
            radius = 0.25 * float(np.linalg.norm(step))
            if radius > _NEAR_KINK * unit:
                continue
            crossing = [(y > 0) != (z > 0) for y, z in zip(_inputs(model, factors), _inputs(model, trial), strict=True)]
            bends = tuple(a | b for a, b in zip(held.bends, crossing, strict=True))
            more = _held(model, factors, bends)
            there = _restored(more, factors, limit=radius)
            if model.value_and_gradient(there)[0] <= before + promised:
                held = _held(model, there, bends)
    return held, _STEPS


def _freed(model: MergedSamples, held: _Held) -> _Held | None:
    """Let go of inputs that F falls by leaving 0 at, a little to the side where it falls; None if there are none."""
    violation = np.maximum(-held.shares, held.shares - 1.0) * np.abs(held.slopes)
    if not (violation > 0.0).any():
        return None
    outside = violation >= 0.5 * violation.max()
    sizes = [int(bend.sum()) for bend in held.bends]
    largest = np.repeat([np.abs(y).max() for y in _inputs(model, held.operator.factors)], sizes)
    upwards = (held.shares > 1.0) == (held.slopes < 0.0)
    aim = np.where(outside, np.where(upwards, 1.0, -1.0) * _NUDGE * largest, 0.0)
    step = held.normal_step(held.inputs - aim)
    factors = unflatten(flatten(held.operator.factors) + step, held.operator.shapes)
    kept = np.split(~outside, np.cumsum(sizes)[:-1])
    return _held(model, factors, tuple(_among(bend, keep) for bend, keep in zip(held.bends, kept, strict=True)))


def _inputs(model: MergedSamples, factors: Factors) -> list[Float[np.ndarray, "d P"]]:
    """Of the hidden ReLUs."""
    inputs = model.hessian(factors).inputs
    return [weight @ x for weight, x in zip(factors[1:-1], inputs[:-2], strict=True)]


def _restored(held: _Held, factors: Factors, *, limit: float) -> Factors:
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
    for depth, before in enumerate(_inputs(model, factors), start=1):
        slope = factors[depth + 1].T @ point.errors[depth + 1]
        columns = np.square(point.inputs[depth - 1]).sum(axis=0)
        jumps = np.abs(slope) * np.sqrt(np.square(factors[depth]) @ live + columns)
        zero = _ZERO * np.abs(before).max(initial=0.0)
        count += int(((np.abs(before) <= zero) & (jumps > jump)).sum())
        live = before >= -zero
    return count


def _guessed(model: MergedSamples, factors: Factors, share: float) -> _Held | None:
    bends = tuple(np.abs(y) <= share * np.abs(y).max(initial=0.0) for y in _inputs(model, factors))
    return _pruned(model, factors, bends)


def _pruned(model: MergedSamples, factors: Factors, bends: Bends) -> _Held | None:
    """Multipliers outside [0, 1] belong to inputs that F can leave 0 at; a few rounds of letting them go."""
    for _ in range(_PRUNINGS):
        size = sum(factor.size for factor in factors) * sum(int(bend.sum()) for bend in bends)
        if not 0 < size <= _LARGEST:
            return None
        held = _held(model, factors, bends)
        outside = (held.shares < 0.0) | (held.shares > 1.0)
        if not outside.any():
            return held
        kept = np.split(~outside, np.cumsum([int(bend.sum()) for bend in bends])[:-1])
        bends = tuple(_among(bend, keep) for bend, keep in zip(bends, kept, strict=True))
    return None


def _among(bend: Bool[np.ndarray, "d P"], keep: Bool[np.ndarray, " k"]) -> Bool[np.ndarray, "d P"]:
    chosen = bend.copy()
    chosen[bend] = keep
    return chosen


def _held(model: MergedSamples, factors: Factors, bends: Bends) -> _Held:
    operator, before = _smooth(model, factors, bends)
    constraints = np.concatenate([y[bend] for y, bend in zip(before, bends, strict=True)])
    normals = _input_derivatives(operator, bends)
    span, triangle, order = map(np.asarray, qr(normals.T, mode="economic", pivoting=True))
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > _DEPENDENT * diagonal[0]).sum())
    span, triangle = span[:, :rank], triangle[:rank, :rank]
    plain = _data_gradient(operator, operator.errors) + operator.decays[0] * flatten(factors)
    multipliers = np.zeros(constraints.size)
    multipliers[order[:rank]] = -np.linalg.solve(triangle, span.T @ plain)
    bent, slopes = _with_multipliers(operator, bends, multipliers)
    return _Held(
        operator=bent,
        bends=bends,
        inputs=constraints,
        span=span,
        triangle=triangle,
        order=order[:rank],
        gradient=plain - span @ (span.T @ plain),
        shares=_shares(multipliers, slopes),
        slopes=slopes,
    )


def _shares(multipliers: Float[np.ndarray, " k"], slopes: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Multiplier / slope, cut off where the slope is next to nothing."""
    small = np.abs(slopes) * _FAR <= np.abs(multipliers)
    return np.where(small, _FAR * np.sign(multipliers), multipliers / np.where(small, 1.0, slopes))


def _smooth(model: MergedSamples, factors: Factors, bends: Bends) -> tuple[HessianOperator, list[np.ndarray]]:
    """F_0's second order and the inputs of the hidden ReLUs."""
    inputs, before = [factors[0]], []
    for weight, bend in zip(factors[1:-1], bends, strict=True):
        before.append(weight @ inputs[-1])
        inputs.append(np.where(bend, 0.0, np.maximum(before[-1], 0.0)))
    inputs.append(factors[-1] @ inputs[-1])
    error, curvature = model.curved(inputs[-1])
    problem = model.problem.replace(decay=model.problem.mean_decay)
    return linearised(factors, tuple(inputs), error=error, curvature=curvature, problem=problem), before


def _with_multipliers(
    operator: HessianOperator, bends: Bends, multipliers: Float[np.ndarray, " k"]
) -> tuple[HessianOperator, Float[np.ndarray, " k"]]:
    """Second order of F_0 + sum multiplier y, and the slope of F in each held activation."""
    parts = np.split(multipliers, np.cumsum([int(bend.sum()) for bend in bends])[:-1])
    errors, slopes = [operator.errors[-1]], []
    for depth in range(len(bends), 0, -1):
        back, bend = operator.factors[depth + 1].T @ errors[-1], bends[depth - 1]
        slopes.append(back[bend])
        error = back * (operator.inputs[depth] > 0)
        error[bend] = parts[depth - 1]
        errors.append(error)
    errors.append(operator.factors[1].T @ errors[-1])
    return replace(operator, errors=tuple(reversed(errors))), np.concatenate(slopes[::-1])


def _input_derivatives(operator: HessianOperator, bends: Bends) -> Float[np.ndarray, "k p"]:
    """One row per held input: its derivative in all factors."""
    rows = []
    for depth, bend in enumerate(bends, start=1):
        units, columns = np.nonzero(bend)
        parts = [np.zeros((units.size, *shape)) for shape in operator.shapes]
        back = np.zeros((units.size, bend.shape[0]))
        back[np.arange(units.size), units] = 1.0
        for below in range(depth, 0, -1):
            parts[below] = back[:, :, None] * operator.inputs[below - 1][:, columns].T[:, None, :]
            back = back @ operator.factors[below]
            back = back * (operator.inputs[below - 1][:, columns].T > 0) if below > 1 else back
        parts[0][np.arange(units.size), :, columns] = back
        rows.append(np.concatenate([part.reshape(units.size, np.prod(part.shape[1:])) for part in parts], axis=1))
    return np.concatenate(rows)


def _data_gradient(operator: HessianOperator, errors: Factors) -> Float[np.ndarray, " p"]:
    return flatten((errors[0], *(e @ x.T for e, x in zip(errors[1:], operator.inputs[:-1], strict=True))))


def _tangent(held: _Held, radius: float) -> tuple[Float[np.ndarray, " p"], float]:
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
