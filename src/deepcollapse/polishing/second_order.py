"""Whether a point of the feature model, at kinks or not, is a local minimum: first order, then second order.

With multipliers strictly between 0 and the slopes s_j, F is near the point at least F_0 + sum_j (mu_j y_j + c |y_j|),
c > 0: it is a local minimum if the second derivative of F_0 + sum_j mu_j y_j is positive definite on the
directions along which no y_j changes, apart from those tangent to a surface of equal F. Where mu_j = 0 < s_j, F is at
least the function in which input j counts as off, and where mu_j = s_j > 0 at least that in which it counts as on:
it is enough that these have a minimum. On the surface where all y_j are 0, F is F_0 + sum_j mu_j y_j whatever the
multipliers; negative curvature along it therefore excludes a minimum, if it is a surface (independent y_j').
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import null_space, orth

from deepcollapse.curvature.gauge import gauge_directions
from deepcollapse.curvature.hessian import HessianOperator, flatten
from deepcollapse.polishing.held import Bends, among, bent, hidden, smooth, with_multipliers
from deepcollapse.polishing.merged_samples import MergedSamples
from deepcollapse.polishing.multipliers import FirstOrder, Multipliers, first_order
from deepcollapse.ufm import Factors, Problem

__all__ = ["KinkVerdict", "kink_verdict", "with_unused", "without_unused"]

_ZERO = 1e-9  # share of a layer's largest input or weight that is 0
_FLAT = 1e-6  # eigenvalue in decays that counts as 0
_PARALLEL = 1e-6  # distance of normalised weights of units that do the same
_LARGEST_FIRST = 4_000_000  # entries of the derivatives of all inputs at 0
_LARGEST_SECOND = 2000  # parameters of a dense second derivative: its eigenvalues take a few seconds

Kind = Literal["minimum", "stationary", "saddle", "not stationary", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KinkVerdict:
    """What is proven of a point, up to rounding and the tolerance.

    Attributes:
        kind: "minimum": a local one; "stationary": no direction descends to first order, and more is not known;
            "saddle": stationary, but F falls along the kinks to second order; "not stationary": a direction descends;
            "undecided": too large, or first order gave neither multipliers nor a direction.
        reason: why, in words.
        kinks: inputs of hidden ReLUs that are 0 where F can bend.
        unused: hidden units without weights.
        flat: independent directions tangent to points of equal F, None where second order was not looked at.
        rate: the steepest descent found per unit length, over the decay times the norm of all factors; 0 if none.
        curvature: the least eigenvalue along the kinks in decays, flat directions apart; None likewise.
    """

    kind: Kind
    reason: str
    kinks: int = 0
    unused: int = 0
    flat: int | None = None
    rate: float = 0.0
    curvature: float | None = None


def kink_verdict(model: MergedSamples, factors: Factors, *, tolerance: float) -> KinkVerdict:
    """Decide what a point is.

    Samples that share a column can part: their features see a convex problem where the same inputs are off, on and
    held, so that this proves nothing less for all samples one by one. Units without weights are left out; the word
    minimum is then not said, because switching one on is decided by second-order terms that bend.

    Args:
        model: the samples.
        factors: in balanced coordinates, inputs at kinks within rounding of 0.
        tolerance: largest rate of descent per unit length, over the decay times the norm of all factors, that is none.
    """
    factors, used = without_unused(factors)
    unused = sum(int((~units).sum()) for units in used)
    counts = {"unused": unused, "kinks": 0}
    if not all(factor.size for factor in factors):
        return KinkVerdict(kind="stationary", reason="all hidden units are unused", **counts)
    bends = _bends(model, factors)
    counts["kinks"] = sum(int(bend.sum()) for bend in bends)
    if counts["kinks"] * sum(factor.size for factor in factors) > _LARGEST_FIRST:
        return KinkVerdict(
            kind="undecided", reason="too many hidden inputs are 0 for the test of first order", **counts
        )
    operator, _ = smooth(model, factors, bends)
    unit = operator.decays[0] * float(np.linalg.norm(flatten(factors)))
    first = first_order(bent(operator, bends), tolerance=tolerance * unit)
    if first.multipliers is None:
        return KinkVerdict(kind=first.kind, reason=_first_reason(first, unit), rate=first.rate / unit, **counts)
    if sum(factor.size for factor in factors) > _LARGEST_SECOND:
        return KinkVerdict(kind="stationary", reason="too many parameters for the test of second order", **counts)
    found = _second(model, factors, bends, multipliers=first.multipliers, independent=first.independent)
    if found.kind == "minimum" and unused:
        doubt = f"a minimum without the {unused} unused hidden units; whether switching one on lowers F is not decided"
        found = replace(found, kind="stationary", reason=doubt)
    return replace(found, **counts)


def without_unused(factors: Factors) -> tuple[Factors, list[Bool[np.ndarray, " _"]]]:
    """Without the hidden units whose weights are 0 on both sides, and which units are left in each layer."""
    kept, used = list(factors), []
    for depth in range(1, len(factors) - 1):
        sizes = np.linalg.norm(kept[depth], axis=1) + np.linalg.norm(kept[depth + 1], axis=0)
        used.append(sizes > _ZERO * sizes.max(initial=0.0))
        kept[depth], kept[depth + 1] = kept[depth][used[-1]], kept[depth + 1][:, used[-1]]
    return tuple(kept), used


def with_unused(factors: Factors, used: list[Bool[np.ndarray, " _"]]) -> Factors:
    """The inverse: unused units come back with weights 0."""
    full = list(factors)
    for depth, units in enumerate(used, start=1):
        before = np.zeros((units.size, full[depth].shape[1]))
        after = np.zeros((len(full[depth + 1]), units.size))
        before[units], after[:, units] = full[depth], full[depth + 1]
        full[depth], full[depth + 1] = before, after
    return tuple(full)


def _bends(model: MergedSamples, factors: Factors) -> Bends:
    """Inputs at 0, but for those that stay 0 nearby because all that leads to them is off."""
    bends, live = [], np.ones(factors[0].shape[1], dtype=bool)
    for before in hidden(model, factors):
        zero = _ZERO * np.abs(before).max(initial=0.0)
        bends.append((np.abs(before) <= zero) & live)
        live = live & (before >= -zero).any(axis=0)
    return tuple(bends)


def _first_reason(first: FirstOrder, unit: float) -> str:
    if first.kind == "not stationary":
        return f"a direction descends at the relative rate {-first.rate / unit:.3g}"
    return (
        "the derivatives of the inputs at 0 are dependent, and neither multipliers nor a descent direction were found"
    )


def _second(
    model: MergedSamples, factors: Factors, bends: Bends, *, multipliers: Multipliers, independent: bool
) -> KinkVerdict:
    along, flat = _curvature(_lagrangian(model, factors, bends, multipliers=multipliers.values), model.problem)
    looked = {"flat": flat, "curvature": along}
    if along < -_FLAT and independent:
        return KinkVerdict(kind="saddle", reason=f"curvature {along:.3g} decays along the kinks", **looked)
    if along < -_FLAT:
        reason = f"curvature {along:.3g} decays where inputs stay 0 to first order, but their derivatives are dependent"
        return KinkVerdict(kind="stationary", reason=reason, **looked)
    zero_slopes = int((multipliers.at_zero & multipliers.at_slope).sum())
    if zero_slopes:
        reason = f"{zero_slopes} inputs at 0 have slope 0, and what they add is of second order"
        return KinkVerdict(kind="stationary", reason=reason, **looked)
    strict = ~(multipliers.at_zero | multipliers.at_slope)
    on, values = among(bends, multipliers.at_slope), multipliers.values[strict]
    least, _ = _curvature(_lagrangian(model, factors, among(bends, strict), multipliers=values, on=on), model.problem)
    if least > _FLAT:
        return KinkVerdict(kind="minimum", reason=f"curvature {least:.3g} decays along the kinks", **looked)
    reason = f"curvature {least:.3g} decays: the test of second order that suffices for a minimum fails"
    return KinkVerdict(kind="stationary", reason=reason, **looked)


def _lagrangian(
    model: MergedSamples,
    factors: Factors,
    bends: Bends,
    *,
    multipliers: Float[np.ndarray, " k"],
    on: Bends | None = None,
) -> tuple[HessianOperator, Float[np.ndarray, "k p"]]:
    """Second derivative of F_0 + sum_j mu_j y_j, and the y_j'."""
    operator, _ = smooth(model, factors, bends, on=on)
    return with_multipliers(operator, bends, multipliers)[0], bent(operator, bends).normalised().normals


def _curvature(lagrangian: tuple[HessianOperator, Float[np.ndarray, "k p"]], problem: Problem) -> tuple[float, int]:
    """The least eigenvalue in decays where no y_j changes, flat directions apart, and how many these are."""
    operator, normals = lagrangian
    hessian = operator.dense() / operator.decays[0]
    along = null_space(normals, rcond=_FLAT) if len(normals) else np.eye(len(hessian))
    reduced = along.T @ hessian @ along
    basis = orth(along.T @ _tangents(operator.factors, problem), rcond=_FLAT)
    _, sizes, turn = np.linalg.svd(reduced @ basis, full_matrices=False)
    flat = basis @ turn[sizes <= _FLAT].T
    top = 1.0 + np.linalg.norm(reduced)
    return float(np.linalg.eigvalsh(reduced + top * flat @ flat.T)[0]), flat.shape[1]


def _tangents(factors: Factors, problem: Problem) -> Float[np.ndarray, "p g"]:
    """Directions tangent to points of equal F: rotations of the features, shares of units with parallel weights."""
    columns = [gauge_directions(factors, problem)]
    for depth in range(1, len(factors) - 1):
        alike = _parallel(factors[depth]) & _parallel(factors[depth + 1].T)
        columns += [_sharing(factors, depth, (a, b)) for a, b in np.argwhere(np.triu(alike, 1)).tolist()]
    return np.concatenate(columns, axis=1)


def _parallel(vectors: Float[np.ndarray, "m _"]) -> Bool[np.ndarray, "m m"]:
    """Which rows are positive multiples of each other."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.linalg.norm(units[:, None] - units[None], axis=2) <= _PARALLEL


def _sharing(factors: Factors, depth: int, pair: tuple[int, int]) -> Float[np.ndarray, "p 1"]:
    """Units a and b with weights alpha w and beta w: alpha grows in proportion to beta, beta falls likewise."""
    a, b = pair
    parts = [np.zeros_like(factor) for factor in factors]
    parts[depth][a], parts[depth][b] = factors[depth][b], -factors[depth][a]
    parts[depth + 1][:, a], parts[depth + 1][:, b] = factors[depth + 1][:, b], -factors[depth + 1][:, a]
    return flatten(tuple(parts))[:, None]
