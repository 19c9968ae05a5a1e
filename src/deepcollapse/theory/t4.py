"""T4: for small decay collapse is a critical point without negative curvature."""

import math
from functools import partial

from deepcollapse.curvature import CollapseStability, balanced_spectrum, collapse_spectrum, collapse_stability
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.known import fitting_collapse
from deepcollapse.ufm import Problem, Structure, stationarity

__all__ = ["t4"]

STATEMENT = "for small decay DNC is a critical point whose Hessian is positive semidefinite"
_DENSE_PARAMETERS = 1000


def t4(problem: Problem) -> Certificate:
    """Whether the Hessian at collapse has no negative eigenvalue at this decay.

    "Small" is made exact: for K >= 4 there is none iff alpha >= K (L - 1) / (L + 1), that is up to a decay which falls
    exponentially in K. Eigenvalues are quoted for one decay common to all factors, the geometric mean; with a decay per
    factor their signs are the same.

    Source: arXiv 2410.23169 (T4); threshold and spectrum are derived.

    >>> t4(Problem(classes=7, layers=3)).holds, t4(Problem(classes=7, layers=3, decay=2.0**-4)).holds
    (True, False)
    """
    hypotheses = standing_hypotheses(problem)
    if outside_model(problem):
        return nothing_claimed("T4", STATEMENT, hypotheses)
    shared = problem.replace(decay=problem.mean_decay)
    stability = collapse_stability(shared)
    hypotheses |= {"decay small enough": stability.stable}
    dnc = fitting_collapse(shared)
    if dnc is None:
        return nothing_claimed("T4", STATEMENT, hypotheses, note="there is no DNC point at this decay and width")
    spectrum = collapse_spectrum(shared)
    return Certificate(
        theorem="T4",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=spectrum.positive_semidefinite,
        numbers={
            "scale": dnc.scales[0],
            "scale_min": stability.scale_min,
            "decay_max": stability.decay_max,
            "log10_decay_max": stability.log_decay_max / math.log(10.0),
            "minimum_over_decay": spectrum.minimum / shared.mean_decay,
            "negative": spectrum.negative,
            "nullity": spectrum.nullity,
            "verdict": spectrum.verdict,
        },
        recheck=partial(_recheck, shared, dnc, stability=stability),
    )


def _recheck(problem: Problem, dnc: Structure, *, stability: CollapseStability) -> Check:
    """The dense spectrum where it is small, else the curvature along one direction written down explicitly."""
    k, r = problem.classes, problem.classes - 1
    critical = stationarity(dnc.logits, problem)
    if 2 * k * r + (problem.layers - 1) * r**2 <= _DENSE_PARAMETERS:
        spectrum = balanced_spectrum(dnc.logits, problem)
        expected = collapse_spectrum(problem)
        agrees = (spectrum.negative, spectrum.nullity) == (expected.negative, expected.nullity)
        numbers = {"stationarity": critical, "negative": spectrum.negative, "nullity": spectrum.nullity}
        return Check(agrees and critical < 1e-6, "dense spectrum of the problem at width K - 1", numbers)
    curvature = _exchange_curvature(dnc.scales[0], problem)
    agrees = (curvature >= 0) == stability.stable
    return Check(agrees, "curvature along one explicit direction", {"curvature_over_decay": curvature})


def _exchange_curvature(scale: float, problem: Problem) -> float:
    """d^2/de^2 of F(alpha S + e X) / decay at e = 0, X symmetric on four classes: x_13 = x_24 = 1, x_14 = x_23 = -1.

    X has zero row sums and eigenvalues 2 and -2, so the logits keep their rank and two singular values become
    sqrt(n) (alpha +- 2 e). In each of four columns two wrong logits move apart: variance 2 q under the softmax.
    """
    power, wrong = problem.penalty_power, 1.0 / (math.exp(scale) + problem.classes - 1)
    data = 4.0 / problem.classes * 2.0 * wrong / problem.mean_decay
    root = math.sqrt(problem.class_samples[0])
    penalty = 0.5 * problem.factors * root**power * 2.0 * power * (power - 1.0) * scale ** (power - 2.0) * 4.0
    return data + penalty
