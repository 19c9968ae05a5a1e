"""A ReLU feature model with some hidden inputs held at 0: F_0 to second order, its constraints, its multipliers.

F_0 is the smooth function in which the activations of the held inputs are 0. Its derivative and those of the inputs are
taken with these activations at 0, so that a held input passes nothing on; what an activation is worth to F, its
slope, includes what it would pass on to held inputs of later layers.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import qr, solve_triangular

from deepcollapse.curvature.hessian import HessianOperator, flatten, linearised
from deepcollapse.polishing.merged_samples import MergedSamples
from deepcollapse.polishing.multipliers import Bent
from deepcollapse.ufm import Factors

__all__ = ["Bends", "Held", "among", "bent", "held_at", "hidden", "smooth", "with_multipliers"]

_DEPENDENT = 1e-6  # relative, of the derivatives of held inputs
_FLAT = 1e-9  # share of the largest slope that is none
_ON = 1e-300  # in the place of 0 for an input that counts as on

Bends = tuple[Bool[np.ndarray, "_ P"], ...]
"""Some inputs of the ReLUs of layers 1 to L - 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """F_0 to second order at a point, its constraints, and the multipliers of the least generalised gradient.

    Attributes:
        operator: second derivative of F_0 + sum_j multiplier_j y_j.
        bends: which inputs are held.
        inputs: their values, to be brought to 0.
        span: orthonormal basis of the derivatives of independent held inputs,
        triangle: their coordinates in it, and
        order: which they are.
        gradient: the part of F_0' outside the span.
        multipliers: 0 for inputs that depend on others.
        slopes: of F in each held activation.
    """

    operator: HessianOperator
    bends: Bends
    inputs: Float[np.ndarray, " k"]
    span: Float[np.ndarray, "p r"]
    triangle: Float[np.ndarray, "r r"]
    order: Int[np.ndarray, " r"]
    gradient: Float[np.ndarray, " p"]
    multipliers: Float[np.ndarray, " k"]
    slopes: Float[np.ndarray, " k"]

    @property
    def residual(self) -> float:
        """Norm of the gradient along the kinks, joined by the distance from them times the decay."""
        normal = self.operator.decays[0] * np.linalg.norm(self.normal_step(self.inputs))
        return float(np.hypot(np.linalg.norm(self.gradient), normal))

    @property
    def violation(self) -> Float[np.ndarray, " k"]:
        """How fast F falls per unit of an input that leaves 0 to its better side; not positive for 0 <= mu_j <= s_j."""
        return np.maximum(self.multipliers - self.slopes, -self.multipliers)

    @property
    def falls(self) -> Bool[np.ndarray, " k"]:
        """Which inputs F falls by releasing, rounding apart."""
        return self.violation > _FLAT * np.abs(self.slopes).max(initial=0.0)

    @property
    def upwards(self) -> Bool[np.ndarray, " k"]:
        """Whether the better side is the positive one."""
        return 2.0 * self.multipliers > self.slopes

    def along(self, vector: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """The part of a vector along the kinks."""
        return vector - self.span @ (self.span.T @ vector)

    def normal_step(self, inputs: Float[np.ndarray, " k"]) -> Float[np.ndarray, " p"]:
        """The shortest step that takes the held inputs to 0 to first order."""
        return -self.span @ solve_triangular(self.triangle, inputs[self.order], trans=1)


def hidden(model: MergedSamples, factors: Factors) -> list[Float[np.ndarray, "_ P"]]:
    """Inputs of the hidden ReLUs."""
    inputs = model.hessian(factors).inputs
    return [weight @ x for weight, x in zip(factors[1:-1], inputs[:-2], strict=True)]


def among(bends: Bends, kept: Bool[np.ndarray, " k"]) -> Bends:
    """Those of the chosen inputs that are kept."""
    chosen, ends = [], np.cumsum([int(bend.sum()) for bend in bends])[:-1]
    for bend, keep in zip(bends, np.split(kept, ends), strict=True):
        fewer = bend.copy()
        fewer[bend] = keep
        chosen.append(fewer)
    return tuple(chosen)


def held_at(model: MergedSamples, factors: Factors, bends: Bends) -> Held:
    """The point with these inputs held."""
    operator, before = smooth(model, factors, bends)
    constraints = np.concatenate([y[bend] for y, bend in zip(before, bends, strict=True)])
    normals, _ = _input_derivatives(operator, bends)
    span, triangle, order = map(np.asarray, qr(normals.T, mode="economic", pivoting=True))
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > _DEPENDENT * diagonal.max(initial=0.0)).sum())
    span, triangle = span[:, :rank], triangle[:rank, :rank]
    plain = _gradient(operator)
    multipliers = np.zeros(constraints.size)
    multipliers[order[:rank]] = -solve_triangular(triangle, span.T @ plain)
    operator, slopes = with_multipliers(operator, bends, multipliers)
    return Held(
        operator=operator,
        bends=bends,
        inputs=constraints,
        span=span,
        triangle=triangle,
        order=order[:rank],
        gradient=plain - span @ (span.T @ plain),
        multipliers=multipliers,
        slopes=slopes,
    )


def bent(operator: HessianOperator, bends: Bends) -> Bent:
    """F to first order around a point at kinks; the operator is that of F_0."""
    normals, passed = _input_derivatives(operator, bends)
    _, slopes = with_multipliers(operator, bends, np.zeros(len(normals)))
    return Bent(gradient=_gradient(operator), normals=normals, slopes=slopes, passed=passed)


def smooth(
    model: MergedSamples, factors: Factors, bends: Bends, *, on: Bends | None = None
) -> tuple[HessianOperator, list[Float[np.ndarray, "_ P"]]]:
    """F_0's second order and the inputs of the hidden ReLUs; inputs in ``on`` count as positive."""
    inputs, before = [factors[0]], []
    for depth, (weight, bend) in enumerate(zip(factors[1:-1], bends, strict=True)):
        before.append(weight @ inputs[-1])
        inputs.append(np.where(bend, 0.0, np.maximum(before[-1], 0.0)))
        if on is not None:
            inputs[-1] = np.where(on[depth], np.maximum(before[-1], _ON), inputs[-1])
    inputs.append(factors[-1] @ inputs[-1])
    error, curvature = model.curved(inputs[-1])
    problem = model.problem.replace(decay=model.problem.mean_decay)
    return linearised(factors, tuple(inputs), error=error, curvature=curvature, problem=problem), before


def with_multipliers(
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


def _input_derivatives(
    operator: HessianOperator, bends: Bends
) -> tuple[Float[np.ndarray, "k p"], Float[np.ndarray, "k k"]]:
    """One row per held input: its derivative in all factors, and in the held activations of earlier layers."""
    places = [np.nonzero(bend) for bend in bends]
    starts = np.cumsum([0, *(units.size for units, _ in places)])
    rows, passed = [], np.zeros((starts[-1], starts[-1]))
    for depth, (units, columns) in enumerate(places, start=1):
        parts = [np.zeros((units.size, *shape)) for shape in operator.shapes]
        back = np.zeros((units.size, bends[depth - 1].shape[0]))
        back[np.arange(units.size), units] = 1.0
        for below in range(depth, 0, -1):
            parts[below] = back[:, :, None] * operator.inputs[below - 1][:, columns].T[:, None, :]
            back = back @ operator.factors[below]
            if below > 1:
                earlier, theirs = places[below - 2]
                block = passed[starts[depth - 1] : starts[depth], starts[below - 2] : starts[below - 1]]
                block[:] = back[:, earlier] * (columns[:, None] == theirs)
                back = back * (operator.inputs[below - 1][:, columns].T > 0)
        parts[0][np.arange(units.size), :, columns] = back
        rows.append(np.concatenate([part.reshape(units.size, np.prod(part.shape[1:])) for part in parts], axis=1))
    return np.concatenate(rows), passed


def _gradient(operator: HessianOperator) -> Float[np.ndarray, " p"]:
    """Of F_0, all decays being equal."""
    after = (e @ x.T for e, x in zip(operator.errors[1:], operator.inputs[:-1], strict=True))
    return flatten((operator.errors[0], *after)) + operator.decays[0] * flatten(operator.factors)
