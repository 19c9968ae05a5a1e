"""The baseline L = 1: neural collapse is the global minimum, and every other critical point is a strict saddle."""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.special import entr, softmax

from deepcollapse.curvature import balanced_spectrum
from deepcollapse.linalg import numerical_rank
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.explicit import close
from deepcollapse.theory.known import known_points
from deepcollapse.ufm import Problem, logits_objective, loss_gradient, weighted_logits
from deepcollapse.ufm.structures import simplex

__all__ = ["baseline", "collapse_scale", "outside_norm"]

STATEMENT = "L = 1: neural collapse (or Z = 0) is globally optimal, every other critical point is a strict saddle"
_SLACK = 1e-9
_SPECTRA_PARAMETERS = 300


def baseline(problem: Problem) -> Certificate:
    """Optimality of neural collapse with one weight matrix, from the subgradient of a convex problem.

    F(Z) = g(Z) + decay ||Z||_* is convex, so Z = U diag(s) V^T is the global minimum iff dg/dZ = -decay (U V^T + R)
    with R outside the singular spaces of Z and ||R|| <= 1. At collapse with alpha = log(1 / (decay sqrt(n)) - (K - 1)),
    or at Z = 0 from decay 1 / (K sqrt(n)) on, it is. A critical point where ||dg/dZ outside|| > decay is a strict
    saddle at widths above its rank: the new direction has curvature decay - ||dg/dZ outside||.

    Source: the case L = 1 in arXiv 2410.23169 and the literature it cites; the certificate is derived.

    >>> certificate = baseline(Problem(classes=10, layers=1))
    >>> certificate.holds, certificate.numbers["scale"].__round__(6)
    (True, 6.922644)
    """
    hypotheses = standing_hypotheses(problem) | {"L = 1": problem.layers == 1}
    if problem.layers != 1 or outside_model(problem) or problem.d < problem.classes - 1:
        return nothing_claimed("baseline", STATEMENT, hypotheses)
    scale = collapse_scale(problem)
    logits = simplex(problem).matrix((scale,))
    inside, outside = _subgradient_parts(logits, problem)
    others = {
        point.name: 1.0 - outside_norm(point.logits, problem) / problem.mean_decay
        for point in known_points(problem)
        if point.critical and point.loss > logits_objective(logits, problem) + _SLACK
    }
    optimal = inside <= _SLACK and outside <= 1.0 + _SLACK
    return Certificate(
        theorem="baseline",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=optimal and all(curvature < 0 for curvature in others.values()),
        numbers={
            "scale": scale,
            "loss": logits_objective(logits, problem),
            "decay_max": 1.0 / (problem.classes * math.sqrt(problem.class_samples[0])),
            "subgradient_residual": inside,
            "outside_over_decay": outside,
            "least_curvature_over_decay": others,
        },
        recheck=partial(_recheck, problem),
        notes=() if scale > 0 else ("at this decay Z = 0 is the global minimum",),
    )


def collapse_scale(problem: Problem) -> float:
    """Scale of neural collapse for L = 1: log(1 / (decay sqrt(n)) - (K - 1)), or 0 where that is not positive.

    Source: arXiv 2410.23169.

    >>> collapse_scale(Problem(classes=2, layers=1, decay=0.6))
    0.0
    """
    reach = 1.0 / (problem.mean_decay * math.sqrt(problem.class_samples[0])) - (problem.classes - 1)
    return math.log(reach) if reach > 1.0 else 0.0


def outside_norm(logits: Float[np.ndarray, "K K"], problem: Problem) -> float:
    """Largest singular value of dg/dZ outside the row and column spaces of Z (K x N); 0 if they leave nothing."""
    gradient, u, _, vt = _parts(logits, problem)
    outside = gradient - u @ (u.T @ gradient)
    return float(np.linalg.norm(outside - (outside @ vt.T) @ vt, ord=2))


def _subgradient_parts(logits: Float[np.ndarray, "K K"], problem: Problem) -> tuple[float, float]:
    """||dg/dZ + decay U V^T|| on the singular spaces and across them, and ||dg/dZ|| outside, over the decay."""
    gradient, u, _, vt = _parts(logits, problem)
    residual = gradient + problem.mean_decay * u @ vt
    outside = outside_norm(logits, problem)
    left, right = u @ (u.T @ residual), (residual @ vt.T) @ vt
    inside = np.linalg.norm(left + right - u @ (u.T @ right))
    return float(inside) / problem.mean_decay, outside / problem.mean_decay


def _parts(logits: Float[np.ndarray, "K K"], problem: Problem) -> tuple[np.ndarray, ...]:
    """dg/dZ in the frame of class means (K x K), and the compact SVD of Z."""
    root = np.sqrt(np.array(problem.class_samples, dtype=float))
    gradient = loss_gradient(logits, np.arange(problem.classes), problem.class_weights, kind="ce") / root
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s)
    return gradient, u[:, :rank], s[:rank], vt[:rank]


def _recheck(problem: Problem, certificate: Certificate) -> Check:
    """Fenchel duality: the dual value at Y = dg/dZ shrunk to ||Y|| <= decay is a lower bound of every loss.

    inf_Z g(Z) - <Y, Z> = sum_j w_j H(p_j) for Y_j = w_j (p_j - e_j) with p_j a distribution and H its entropy, and
    <Y, Z> <= decay ||Z||_* if ||Y|| <= decay. Shrinking Y keeps it of this form: p_j moves towards e_j.
    """
    weights, k, claimed = problem.class_weights, problem.classes, certificate.numbers
    logits = simplex(problem).matrix((claimed["scale"],))
    probability = softmax(logits, axis=0)
    root = np.sqrt(np.array(problem.class_samples, dtype=float))
    size = np.linalg.norm((probability - np.eye(k)) * weights / root, ord=2)
    shrink = min(1.0, problem.mean_decay / size)
    feasible = np.eye(k) + shrink * (probability - np.eye(k))
    dual = float(entr(np.clip(feasible, 0.0, 1.0)).sum(axis=0) @ weights)
    primal = logits_objective(logits, problem)
    agrees = abs(primal - dual) <= _SLACK * max(1.0, abs(primal)) and close(claimed["loss"], primal)
    agrees &= close(claimed["decay_max"], outside_norm(np.zeros((k, k)), problem))  # where Z = 0 stops being critical
    inside, outside = claimed["subgradient_residual"], claimed["outside_over_decay"]
    agrees &= inside <= _SLACK and math.isclose(outside, _subgradient_parts(logits, problem)[1], abs_tol=_SLACK)
    agrees &= _curvatures_agree(claimed["least_curvature_over_decay"], problem)
    agrees &= certificate.holds is all(value < 0 for value in claimed["least_curvature_over_decay"].values())
    return Check(agrees, "Fenchel dual: a lower bound of the loss of every matrix", {"primal": primal, "dual": dual})


def _curvatures_agree(claimed: Mapping[str, float], problem: Problem) -> bool:
    """The least eigenvalue at every other critical point from the spectrum at a width above its rank, where small."""
    points = {point.name: point for point in known_points(problem)}
    if not set(claimed) <= set(points):
        return False
    for name, value in claimed.items():
        point = points[name]
        if 2 * problem.classes * point.rank <= _SPECTRA_PARAMETERS:
            spectrum = balanced_spectrum(point.logits, problem.replace(width=point.rank + 1))
            if not math.isclose(value, spectrum.minimum / problem.mean_decay, rel_tol=1e-6, abs_tol=1e-6):
                return False
    return True
