"""T4: for small decay collapse is a critical point without negative curvature."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from scipy.optimize import root_scalar

from deepcollapse.curvature import balanced_spectrum, collapse_spectrum, collapse_stability
from deepcollapse.curvature.collapse_spectrum import critical_log_decay
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.known import fitting_collapse
from deepcollapse.ufm import Problem, stationarity
from deepcollapse.ufm.structures import simplex

__all__ = ["proof_scale", "t4"]

STATEMENT = "for small decay DNC is a critical point whose Hessian is positive semidefinite"
SMALL = "decay small enough for the proof: alpha P >= K (L - 1) / (L + 1)"
_DENSE_PARAMETERS = 1000
_DENSE = "dense spectrum of the problem at width K - 1"
_STATIONARY = 1e-7
_BESIDE = 1e-3


def t4(problem: Problem) -> Certificate:
    """Whether the Hessian at collapse has no negative eigenvalue at this decay, read off the spectrum.

    The theorem does not say how small a decay is small. The hypothesis is what its proof gives without the spectrum:
    alpha P >= K (L - 1) / (L + 1), P the probability of the right class, that is a decay below ``decay_proof``
    (``proof_scale``). The spectrum decides the verdict and reaches a little further: for K >= 4 no eigenvalue is
    negative iff alpha >= K (L - 1) / (L + 1), up to ``decay_max``. Both fall exponentially in K. Eigenvalues are quoted
    for one decay common to all factors, the geometric mean; with a decay per factor their signs are the same.

    Source: arXiv 2410.23169 (T4); thresholds and spectrum are derived.

    >>> certificates = [t4(Problem(classes=7, layers=3, decay=2.0**-power)) for power in (4, 10, 20)]
    >>> [(certificate.applies, certificate.holds) for certificate in certificates]
    [(False, False), (True, True), (True, True)]
    """
    hypotheses = standing_hypotheses(problem)
    if outside_model(problem):
        return nothing_claimed("T4", STATEMENT, hypotheses)
    shared = problem.replace(decay=problem.mean_decay)
    stability = collapse_stability(shared)
    enough = proof_scale(shared)
    log_proof = critical_log_decay(enough, shared)
    hypotheses |= {SMALL: math.log(shared.mean_decay) < log_proof}
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
            "scale_proof": enough,
            "decay_proof": math.exp(log_proof),
            "minimum_over_decay": spectrum.minimum / shared.mean_decay,
            "negative": spectrum.negative,
            "nullity": spectrum.nullity,
            "verdict": spectrum.verdict,
        },
        recheck=partial(_recheck, shared),
    )


def proof_scale(problem: Problem) -> float:
    """The scale alpha with alpha P = K (L - 1) / (L + 1), P = e^alpha / (e^alpha + K - 1): from it on T4 is proven.

    The paper's proof bounds the Hessian at collapse, in units of the decay, from below by

        2 sum_l ||sym Y_l||^2 + (alpha P / K) ||Y||^2 - tr(Y Y),    Y = sum_l Y_l, Y_l = S X_l S,

    X_l the direction in factor l in the frames of the factors. It drops the first sum and asks for alpha P >= K. That
    sum is at least (2 / M) ||sym Y||^2, and tr(Y Y) at most ||sym Y||^2: alpha P >= K (1 - 2 / M) is enough. Derived.

    >>> problem = Problem(classes=10, layers=2)
    >>> round(proof_scale(problem), 4), proof_scale(problem.replace(layers=1))
    (3.9254, 0.0)
    """
    least = problem.classes * (problem.layers - 1) / problem.factors

    def excess(scale: float) -> float:
        return scale / (1.0 + (problem.classes - 1) * math.exp(-scale)) - least

    return root_scalar(excess, bracket=(least, least + problem.classes), xtol=1e-300, rtol=1e-15).root if least else 0.0


def _recheck(problem: Problem, certificate: Certificate) -> Check:
    """The spectrum again where it is small, else one explicit direction; the thresholds from both their sides."""
    claimed, k, r = certificate.numbers, problem.classes, problem.classes - 1
    critical = stationarity(simplex(problem).matrix((claimed["scale"],)), problem)
    agrees = critical < _STATIONARY and _thresholds_agree(claimed, problem)
    if 2 * k * r + (problem.layers - 1) * r**2 <= _DENSE_PARAMETERS:
        spectrum = balanced_spectrum(simplex(problem).matrix((claimed["scale"],)), problem) if agrees else None
        if spectrum is None:
            return Check(False, _DENSE, {"stationarity": critical})
        names = ("negative", "nullity", "verdict")
        agrees &= all(claimed[name] == getattr(spectrum, name) for name in names)
        agrees &= math.isclose(claimed["minimum_over_decay"], spectrum.minimum / problem.mean_decay, abs_tol=1e-6)
        numbers = {"stationarity": critical, "negative": spectrum.negative, "nullity": spectrum.nullity}
        return Check(agrees and certificate.holds is (spectrum.negative == 0), _DENSE, numbers)
    curvature = _exchange_curvature(claimed["scale"], problem)
    closed = collapse_spectrum(problem)
    agrees &= claimed["nullity"] == closed.nullity and claimed["negative"] == closed.negative
    agrees &= claimed["verdict"] == closed.verdict and (claimed["negative"] == 0) == (curvature >= 0)
    agrees &= math.isclose(claimed["minimum_over_decay"], closed.minimum / problem.mean_decay, abs_tol=1e-6)
    numbers = {"curvature_over_decay": curvature, "stationarity": critical}
    return Check(agrees and certificate.holds is (curvature >= 0), "curvature along one explicit direction", numbers)


def _thresholds_agree(claimed: Mapping[str, Any], problem: Problem) -> bool:
    """Whether the decays have the scales they belong to, and collapse is stable just above the least scale only."""
    log_decay = critical_log_decay(claimed["scale_min"], problem) if claimed["scale_min"] > 0 else None
    fine = log_decay is None or math.isclose(claimed["log10_decay_max"], log_decay / math.log(10.0), rel_tol=1e-9)
    fine &= math.isclose(claimed["decay_max"], 10.0 ** claimed["log10_decay_max"], rel_tol=1e-6)
    fine &= _proof_agrees(claimed, problem)
    if log_decay is None:
        at_fold = -math.log(problem.classes) - 0.5 * math.log(problem.class_samples[0])  # L = 1, alpha = 0
        return fine and math.isclose(claimed["log10_decay_max"], at_fold / math.log(10.0), rel_tol=1e-9)
    return (
        fine
        and not _stable_at((1.0 - _BESIDE) * claimed["scale_min"], problem)
        and (_stable_at((1.0 + _BESIDE) * claimed["scale_min"], problem))
    )


def _proof_agrees(claimed: Mapping[str, Any], problem: Problem) -> bool:
    """Whether alpha P is K (L - 1) / (L + 1) at the scale of the proof, at which its decay makes collapse critical."""
    scale, share = claimed["scale_proof"], (problem.layers - 1) / problem.factors
    right = 1.0 / (1.0 + (problem.classes - 1) * math.exp(-scale))
    wrong = right * math.exp(-scale)
    decay = scale**share * wrong * problem.class_samples[0] ** (-1.0 / problem.factors)
    fine = math.isclose(scale * right, problem.classes * share, rel_tol=1e-9)
    return fine and math.isclose(claimed["decay_proof"], decay, rel_tol=1e-9, abs_tol=1e-300)


def _stable_at(scale: float, problem: Problem) -> bool:
    """Whether collapse of that scale, at the decay that makes it critical, curves down nowhere that could be first."""
    if problem.classes >= 4:
        share = problem.class_samples[0] ** (1.0 / problem.factors) * scale ** (problem.penalty_power - 1.0)
        return _exchange_curvature(scale, problem, wrong_over_decay=share) >= 0
    at = problem.replace(decay=math.exp(critical_log_decay(scale, problem)), width=problem.classes)
    return balanced_spectrum(simplex(at).matrix((scale,)), at).negative == 0


def _exchange_curvature(scale: float, problem: Problem, *, wrong_over_decay: float | None = None) -> float:
    """d^2/de^2 of F(alpha S + e X) / decay at e = 0, X symmetric on four classes: x_13 = x_24 = 1, x_14 = x_23 = -1.

    X has zero row sums and eigenvalues 2 and -2, so the logits keep their rank and two singular values become
    sqrt(n) (alpha +- 2 e). In each of four columns two wrong logits move apart: variance 2 q under the softmax, q the
    probability of one wrong class; q / decay may be given where the decay itself is below every float.
    """
    power = problem.penalty_power
    if wrong_over_decay is None:
        wrong_over_decay = 1.0 / (math.exp(scale) + problem.classes - 1) / problem.mean_decay
    data = 4.0 / problem.classes * 2.0 * wrong_over_decay
    root = math.sqrt(problem.class_samples[0])
    penalty = 0.5 * problem.factors * root**power * 2.0 * power * (power - 1.0) * scale ** (power - 2.0) * 4.0
    return data + penalty
