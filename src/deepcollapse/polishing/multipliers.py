"""Whether a function with kinks descends from a point, to first order: by multipliers, else by a linear program.

F(x) = G(x, z) with z_j = relu(y_j(x, z)), where every y_j is 0 and y_j depends on x and on z_1, ..., z_{j-1} only. The
values a_j = y_j'(x; v) along a direction follow one after the other, and F'(x; v) = G_x v + sum_j G_{z_j} relu(a_j).
For any multipliers mu with G_x = -sum_j mu_j y_j' (derivatives in x alone) this is sum_j (s_j relu(a_j) - mu_j a_j)
with the slopes s_j = G_{z_j} + sum_i mu_i dy_i/dz_j. So 0 <= mu_j <= s_j for all j suffices for F'(x; v) >= 0 in every
direction, and is necessary where the y_j' are linearly independent: the a_j are then free.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

__all__ = ["Bent", "FirstOrder", "Multipliers", "first_order"]

_DEPENDENT = 1e-6  # singular value of normalised derivatives, relative, that counts as 0
_INSIDE = 1e-6  # distance of a multiplier from 0 and from its slope, relative to the largest slope, that is one
_BOX = 1e6  # bound of relu(a_j), so that no linear program is unbounded
_SOLVER = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}

Kind = Literal["stationary", "not stationary", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bent:
    """F(x) = G(x, z), z_j = relu(y_j(x, z)), to first order where all y_j are 0.

    Attributes:
        gradient: of G in x.
        normals: the derivative of each y_j in x.
        slopes: the derivative of G in each z_j.
        passed: entry (i, j) is the derivative of y_i in z_j; strictly lower triangular.
    """

    gradient: Float[np.ndarray, " p"]
    normals: Float[np.ndarray, "k p"]
    slopes: Float[np.ndarray, " k"]
    passed: Float[np.ndarray, "k k"]

    def rate(self, direction: Float[np.ndarray, " p"]) -> float:
        """F'(x; v), the one-sided derivative in a direction."""
        values, active = self.normals @ direction, np.zeros(self.slopes.size)
        for j in range(active.size):
            active[j] = max(values[j] + self.passed[j] @ active, 0.0)
        return float(self.gradient @ direction + self.slopes @ active)

    def among(self, chosen: Bool[np.ndarray, " k"]) -> "Bent":
        """Without the inputs that are not chosen."""
        passed = self.passed[np.ix_(chosen, chosen)]
        return Bent(gradient=self.gradient, normals=self.normals[chosen], slopes=self.slopes[chosen], passed=passed)

    def total_slopes(self, multipliers: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """s_j: what z_j is worth, its part in later y_i included."""
        return self.slopes + self.passed.T @ multipliers

    @property
    def lengths(self) -> Float[np.ndarray, " k"]:
        """Of the derivatives of y_j; 1 for one that is 0."""
        norms = np.linalg.norm(self.normals, axis=1)
        return np.where(norms > 0.0, norms, 1.0)

    def normalised(self) -> "Bent":
        """The same F with every y_j and z_j measured in units of the length of y_j'."""
        length = self.lengths
        return Bent(
            gradient=self.gradient,
            normals=self.normals / length[:, None],
            slopes=self.slopes * length,
            passed=self.passed * length / length[:, None],
        )


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Multipliers with 0 <= mu_j <= s_j.

    Attributes:
        values: mu.
        at_zero: which are 0.
        at_slope: which equal their slope; both for slope 0.
    """

    values: Float[np.ndarray, " k"]
    at_zero: Bool[np.ndarray, " k"]
    at_slope: Bool[np.ndarray, " k"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOrder:
    """What first order says.

    Attributes:
        kind: "stationary": no direction descends, up to the tolerance; "not stationary": ``direction`` does;
            "undecided": dependent derivatives, no multipliers within bounds, and no descent direction found.
        independent: whether the y_j' are linearly independent.
        multipliers: the proof that it is stationary; None unless it is.
        direction: of unit length, along which F descends; None unless not stationary.
        rate: F'(x; v) in that direction, else 0.
    """

    kind: Kind
    independent: bool
    multipliers: Multipliers | None = None
    direction: Float[np.ndarray, " p"] | None = None
    rate: float = 0.0


def first_order(bent: Bent, *, tolerance: float) -> FirstOrder:
    """Decide whether F'(x; v) >= -tolerance ||v|| in every direction v.

    With linearly independent y_j' the multipliers are unique, and 0 <= mu_j <= s_j decides. Otherwise a linear program
    looks for multipliers within bounds, and a second one for the least F'(x; v) over v in the span of the y_j' with
    coordinates in [-1, 1]. The second is exact where F' is convex; a direction counts only if F' itself is negative.

    Args:
        bent: the function at the point.
        tolerance: in units of F'; that of the multipliers refers to y_j' of length 1.
    """
    scaled = bent.normalised()
    basis, values, turn = _span(scaled.normals)
    independent = values.size == bent.slopes.size
    residual = bent.gradient - basis.T @ (basis @ bent.gradient)
    directions = [-residual]
    if np.linalg.norm(residual) <= tolerance:
        coordinates = -(basis @ bent.gradient)
        found = (turn / values) @ coordinates if independent else _multipliers(scaled, basis, tolerance=tolerance)
        if found is not None and _violation(scaled, found).max(initial=0.0) <= tolerance:
            return _stationary(scaled, found, bent.lengths, independent=independent)
        if found is not None:
            directions += [basis.T @ ((turn / values).T @ sides) for sides in _sides(scaled, found)]
        directions += [basis.T @ least for least in (_steepest(scaled, basis),) if least is not None]
    return _descending(bent, directions, tolerance=tolerance, independent=independent)


def _span(normals: Float[np.ndarray, "k p"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal rows that span the normals, singular values, and left singular vectors."""
    left, values, right = np.linalg.svd(normals, full_matrices=False)
    rank = int((values > _DEPENDENT * values.max(initial=0.0)).sum())
    return right[:rank], values[:rank], left[:, :rank]


def _violation(bent: Bent, multipliers: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """How fast F falls where y_j alone becomes positive or negative; not positive within the bounds."""
    return np.maximum(multipliers - bent.total_slopes(multipliers), -multipliers)


def _sides(bent: Bent, multipliers: Float[np.ndarray, " k"]) -> list[Float[np.ndarray, " k"]]:
    """G's part of the values y_j' for which all a_j are 0 but the one of the largest violation."""
    worst = int(_violation(bent, multipliers).argmax())
    if 2.0 * multipliers[worst] < bent.total_slopes(multipliers)[worst]:
        return [-np.eye(multipliers.size)[worst]]
    return [np.eye(multipliers.size)[worst] - bent.passed[:, worst]]


def _multipliers(bent: Bent, basis: Float[np.ndarray, "r p"], *, tolerance: float) -> Float[np.ndarray, " k"] | None:
    """Multipliers within bounds, as many as possible strictly; None if there are none."""
    count, unit = bent.slopes.size, _unit(bent)
    reduced, one = basis @ bent.normals.T, np.eye(count)
    none = np.zeros((count, count))
    upper = bent.passed.T - one
    found = linprog(
        np.concatenate([np.zeros(count), -np.ones(2 * count)]),
        A_eq=np.hstack([reduced, np.zeros((len(basis), 2 * count))]),
        b_eq=-(basis @ bent.gradient) / unit,
        A_ub=np.block([[-one, one, none], [-upper, none, one]]),
        b_ub=np.concatenate([np.zeros(count), bent.slopes / unit]),
        bounds=[(None, None)] * count + [(-0.5 * tolerance / unit, 2.0 * _INSIDE)] * (2 * count),
        method="highs",
        options=_SOLVER,
    )
    return unit * found.x[:count] if found.status == 0 else None


def _steepest(bent: Bent, basis: Float[np.ndarray, "r p"]) -> Float[np.ndarray, " r"] | None:
    """Coordinates in [-1, 1] of the direction of least F', with relu(a_j) relaxed to any number above 0 and a_j."""
    count, rank = bent.slopes.size, len(basis)
    found = linprog(
        np.concatenate([basis @ bent.gradient, bent.slopes]) / _unit(bent),
        A_ub=np.hstack([bent.normals @ basis.T, bent.passed - np.eye(count)]),
        b_ub=np.zeros(count),
        bounds=[(-1.0, 1.0)] * rank + [(0.0, _BOX)] * count,
        method="highs",
        options=_SOLVER,
    )
    return found.x[:rank] if found.status == 0 else None


def _unit(bent: Bent) -> float:
    """What slopes are measured in."""
    return max(float(np.abs(bent.slopes).max(initial=0.0)), float(np.linalg.norm(bent.gradient))) or 1.0


def _stationary(
    bent: Bent, multipliers: Float[np.ndarray, " k"], lengths: Float[np.ndarray, " k"], *, independent: bool
) -> FirstOrder:
    margin = _INSIDE * _unit(bent)
    spare = bent.total_slopes(multipliers) - multipliers
    found = Multipliers(multipliers / lengths, multipliers <= margin, spare <= margin)
    return FirstOrder(kind="stationary", independent=independent, multipliers=found)


def _descending(
    bent: Bent, directions: list[Float[np.ndarray, " p"]], *, tolerance: float, independent: bool
) -> FirstOrder:
    """The steepest of the candidates and of their opposites, if F descends along one."""
    units = [side * way / np.linalg.norm(way) for way in directions if way.any() for side in (1.0, -1.0)]
    rates = [bent.rate(unit) for unit in units]
    if not rates or min(rates) >= -tolerance:
        return FirstOrder(kind="undecided", independent=independent)
    best = int(np.argmin(rates))
    return FirstOrder(kind="not stationary", independent=independent, direction=units[best], rate=rates[best])
