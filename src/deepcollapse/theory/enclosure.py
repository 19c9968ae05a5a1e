"""Proven bounds in interval arithmetic: the loss of an explicit network, and the least loss of collapse over its scale.

Float64 entries are exact rational numbers, and python-flint's Arb encloses every result of an operation, so an
inequality between two enclosures is a proof, not an observation.
"""

import math
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx  # type: ignore[import-untyped]
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Factors, Problem

__all__ = ["CELLS", "Evaluation", "evaluated", "least_collapse_loss", "least_critical_collapse_loss", "zero_loss"]

BITS = 128
"""Working precision."""

CELLS = 100_000
"""Budget of the branch-and-bound: cells of the scale's axis looked at."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What interval arithmetic proves of one network.

    Attributes:
        loss: upper bound of its regularised loss.
        superior: whether every class's own logit is proven to be strictly the largest.
    """

    loss: float
    superior: bool


def evaluated(factors: Factors, problem: Problem) -> Evaluation:
    """Upper bound of F of a network whose features H_1 are given once per class, not once per sample.

    F = sum_k (n_k / N) log(1 + sum_{i != k} exp(z_ik - z_kk)) + (1/2) sum_l decay_l ||A_l||^2, where column k of H_1
    counts n_k times. An upper bound of the least loss of the model; no singular values are needed.

    Args:
        factors: H_1 (w x K), W_1, ..., W_L of any common width w, linear or ReLU as the problem says.
        problem: gives samples, decays and activation; its width is not used.
    """
    with ctx.workprec(BITS):
        logits = _logits(factors, problem)
        gaps = [[row - column[k] for i, row in enumerate(column) if i != k] for k, column in enumerate(logits)]
        total = arb(problem.total_samples)
        data = sum(
            (
                arb(n) / total * sum((g.exp() for g in gap), arb(0)).log1p()
                for n, gap in zip(problem.class_samples, gaps, strict=True)
            ),
            arb(0),
        )
        superior = all(g < 0 for gap in gaps for g in gap)
        return Evaluation(loss=_above(data + _decay_cost(factors, problem)), superior=superior)


def least_collapse_loss(problem: Problem, *, target: float) -> float:
    """Lower bound of min over alpha >= 0 of the loss of collapse, by branch-and-bound on the scale alpha.

    f(alpha) = log(1 + (K-1) e^-alpha) + (M decay / 2) (K-1) (alpha sqrt(n))^(2/M) is a decreasing plus an increasing
    term, so on [a, b] it is at least the first at b plus the second at a; cells are halved until that exceeds the
    target or ``CELLS`` cells have been seen. Beyond the last cell the second term alone exceeds it. Whatever the
    target, the number returned is a lower bound; it is above the target if that was proven.

    Args:
        problem: cross-entropy with equally many samples per class.
        target: what to exceed; below the true minimum, else the budget is spent for nothing.

    Raises:
        InvalidInputError: the target is infinite or NaN.
    """
    if not math.isfinite(target):
        raise InvalidInputError(f"target: expected a finite number, but found {target}; give a loss to exceed")
    with ctx.workprec(BITS):
        return _least_from(0.0, problem, target=target)


def least_critical_collapse_loss(problem: Problem, *, target: float) -> float | None:
    """Lower bound of the loss of collapse over all scales where it may be critical; None if there is no such scale.

    The data term falls at most as fast as at Z = 0, with slope (K-1) / K; the penalty c alpha^(2/M) rises with slope
    (2 c / M) alpha^(2/M - 1). So the loss increases strictly from Z = 0 up to the scale where the two are equal: no
    point there is critical, and none costs less than Z = 0. The bound is over all scales from there on. For L = 1 the
    second slope is constant: either no scale is critical, or none is excluded.

    Args:
        problem: cross-entropy with equally many samples per class.
        target: what to exceed, as for ``least_collapse_loss``.
    """
    with ctx.workprec(BITS):
        k, m = problem.classes, problem.factors
        steepness = 2 * _penalty(problem).cost * k / (m * arb(k - 1))  # of the penalty at scale 1, over (K-1) / K
        if m == 2:
            return None if steepness > 1 else _least_from(0.0, problem, target=target)
        start = float((steepness.log() * m / (m - 2)).exp().lower()) * (1.0 - 1e-9)
        rising = start > 0 and steepness > arb(start) ** (arb(m - 2) / m)
        return _least_from(start if rising else 0.0, problem, target=target)


def zero_loss(problem: Problem) -> float:
    """Upper bound of the loss log K of Z = 0 under cross-entropy."""
    with ctx.workprec(BITS):
        return _above(arb(problem.classes).log())


def _least_from(start: float, problem: Problem, *, target: float) -> float:
    """Lower bound of the loss of collapse over all scales alpha >= start, by branch-and-bound."""
    power = _penalty(problem)
    end = max(1.0, 2.0 * start)
    while not power(end) > target:
        end *= 2.0
    proven, cells, seen = power(end), [(start, end)], 0
    while cells:
        low, high = cells.pop()
        bound = ((problem.classes - 1) * (-arb(high)).exp()).log1p() + power(low)
        seen += 1
        middle = 0.5 * (low + high)
        if bound > target or seen >= CELLS or not low < middle < high:
            proven = proven.min(bound)
        else:
            cells += [(low, middle), (middle, high)]
    return _below(proven)


@dataclass(frozen=True, slots=True)
class _Penalty:
    """c alpha^(2/M) with c = (M/2) (K-1) (n prod_l decay_l)^(1/M), enclosed."""

    cost: arb
    factors: int

    def __call__(self, scale: float) -> arb:
        return self.cost * (arb(scale) ** 2).root(self.factors) if scale > 0 else arb(0)


def _penalty(problem: Problem) -> _Penalty:
    product = arb(problem.class_samples[0])
    for decay in problem.factor_decays:
        product *= arb(decay)
    cost = arb(problem.factors) / 2 * (problem.classes - 1) * product.root(problem.factors)
    return _Penalty(cost, problem.factors)


def _logits(factors: Factors, problem: Problem) -> list[list[arb]]:
    """One list of K logits per class."""
    output = _exact(factors[0])
    for depth, weight in enumerate(factors[1:], start=1):
        output = _exact(weight) * output
        if problem.activation == "relu" and depth < problem.layers:
            output = arb_mat([[entry.max(arb(0)) for entry in row] for row in output.table()])
    return output.transpose().table()


def _decay_cost(factors: Factors, problem: Problem) -> arb:
    counts = [np.array(problem.class_samples)] + [np.ones(f.shape[1]) for f in factors[1:]]
    cost = arb(0)
    for decay, factor, count in zip(problem.factor_decays, factors, counts, strict=True):
        columns = (
            arb(float(n)) * sum((arb(float(x)) ** 2 for x in column), arb(0))
            for n, column in zip(count, factor.T, strict=True)
        )
        cost += arb(decay) / 2 * sum(columns, arb(0))
    return cost


def _exact(matrix: Float[np.ndarray, "_ _"]) -> arb_mat:
    return arb_mat([[arb(float(entry)) for entry in row] for row in matrix])


def _above(value: arb) -> float:
    return math.nextafter(float(value.upper()), math.inf)


def _below(value: arb) -> float:
    return math.nextafter(float(value.lower()), -math.inf)
