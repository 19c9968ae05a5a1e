"""T6: Hessian norms at collapse and at paired points stay comparable as the decay goes to zero."""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.special import softmax

from deepcollapse.curvature import balanced_spectrum, collapse_spectrum, dense_hessian
from deepcollapse.linalg import numerical_rank
from deepcollapse.theory.certificate import (
    Certificate,
    Check,
    nothing_claimed,
    outside_model,
    standing_hypotheses,
)
from deepcollapse.theory.known import existing
from deepcollapse.ufm import Problem, Structure, balanced_factors, factor_shapes, weighted_logits

__all__ = ["hessian_trace", "norm_ratios", "t6", "trace_ratio_limit"]

STATEMENT = "the ratio of the Hessian norms at DNC and at a paired point stays finite as the decay goes to zero"
_SPECTRA_PARAMETERS = 500
_OCTAVES = (0, 8, 16)
_ROUNDING = 1e-9


def t6(problem: Problem) -> Certificate:
    """Ratios DNC / pairs of the trace, the Frobenius and the operator norm of the Hessian, from exact spectra.

    For even K the ratio of traces tends to a number known in closed form, slowly: a multiple of the decay times the
    number of parameters is in both traces, while the rest grows like decay times log(1 / decay). Ratios of spectra are
    given where 2 K r + (L - 1) r^2 <= 500, r = ceil(K/2), at the problem's (mean) decay times 1, 2^-8 and 2^-16.

    Source: arXiv 2410.23169 (T6); the limit and the numbers are derived.

    >>> t6(Problem(classes=10, layers=2, samples=5, width=70)).numbers["trace_ratio_limit"].__round__(6)
    0.941538
    """
    hypotheses = standing_hypotheses(problem) | {
        "K even": problem.classes % 2 == 0,
        "K >= 4, so that pairs are not collapse": problem.classes >= 4,
    }
    if not outside_model(problem):
        hypotheses |= {"a decay at which DNC and pairs exist": _both_exist(problem)}
    if outside_model(problem) or problem.classes < 4 or problem.d < problem.classes - 1:
        return nothing_claimed("T6", STATEMENT, hypotheses)
    ratios = [norm_ratios(at) for at in _decreasing(problem)] if _small(problem) else []
    found = [ratio for ratio in ratios if ratio is not None]
    limit = trace_ratio_limit(problem)
    return Certificate(
        theorem="T6",
        provenance="paper",
        statement=STATEMENT,
        hypotheses=hypotheses,
        holds=_settles(found, limit),
        numbers={"trace_ratio_limit": limit, "ratios": found},
        recheck=partial(_recheck, problem),
        notes=() if limit is not None else ("the limit is known in closed form for even K only",),
    )


def trace_ratio_limit(problem: Problem) -> float | None:
    """Limit of tr(Hessian at DNC) / tr(Hessian at pairs) as decay -> 0, for even K; None for odd K.

    Beyond decay times the number of parameters the traces grow like decay times the scale times

        2 n (K - 1) + 2 L (K - 1)^2 / K   (DNC),        K (L + 1 + 2 n)   (pairs, even K),

    and the two scales have ratio 1 in the limit. Derived.

    >>> trace_ratio_limit(Problem(classes=4, layers=2))
    0.75
    """
    k, n, layers = problem.classes, problem.class_samples[0], problem.layers
    if k % 2:
        return None
    return (2 * n * (k - 1) + 2 * layers * (k - 1) ** 2 / k) / (k * (layers + 1 + 2 * n))


def norm_ratios(problem: Problem) -> Mapping[str, float] | None:
    """Trace, Frobenius and operator norm of the Hessian at DNC over those at the paired point; None if one is missing.

    Costs one dense eigenproblem of 2 K r + (L - 1) r^2 parameters, r = ceil(K/2).
    """
    dnc, pairs = existing("simplex", problem), existing("paired", problem)
    if dnc is None or pairs is None:
        return None
    above, below = collapse_spectrum(problem), balanced_spectrum(pairs.logits, problem)
    return {
        "decay": problem.mean_decay,
        "trace": above.trace / below.trace,
        "frobenius": above.frobenius_norm / below.frobenius_norm,
        "operator": above.operator_norm / below.operator_norm,
    }


def hessian_trace(logits: Float[np.ndarray, "K K"], problem: Problem) -> float:
    """Trace of the Hessian at the balanced factors of given class logits, from its diagonal blocks alone.

    Each factor enters the logits linearly, Z = B_l A_l X_l, so its block is sum_j (B^T C_j B) (x) (x_j x_j^T) + decay I
    with C_j = (diag p_j - p_j p_j^T) / N. For equal decays and cross-entropy. Costs O(L K^2 r). Derived. With a_i the
    rows of B, N tr(B^T C_j B) = sum_i p_ij |a_i - a_j|^2 - |sum_i p_ij (a_i - a_j)|^2, free of 1 - p_jj.
    """
    counts = np.array(problem.class_samples, dtype=float)
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s)
    shared, u_r, vt_r = s[:rank] ** (1.0 / problem.factors), u[:, :rank], vt[:rank]
    wrong = softmax(logits, axis=0) * (1.0 - np.eye(problem.classes))
    moved = wrong - np.diag(wrong.sum(axis=0))
    data = 0.0
    for depth in range(problem.factors):  # factors 0..L; depth many stand before one of them, L - depth after it
        after = u_r * shared ** (problem.layers - depth) if depth < problem.layers else np.eye(problem.classes)
        inputs = np.square(shared[:, None] ** depth * vt_r).sum(axis=0) if depth > 0 else counts
        curved = (cdist(after, after, "sqeuclidean") * wrong).sum(axis=0) - np.square(after.T @ moved).sum(axis=0)
        data += float(curved @ inputs) / problem.total_samples
    parameters = sum(rows * columns for rows, columns in factor_shapes(problem))
    return data + problem.mean_decay * parameters


def _both_exist(problem: Problem) -> bool:
    return existing("simplex", problem) is not None and existing("paired", problem) is not None


def _small(problem: Problem) -> bool:
    r = (problem.classes + 1) // 2
    return 2 * problem.classes * r + (problem.layers - 1) * r**2 <= _SPECTRA_PARAMETERS


def _decreasing(problem: Problem) -> list[Problem]:
    return [problem.replace(decay=problem.mean_decay * 2.0**-octave) for octave in _OCTAVES]


def _settles(ratios: list[Mapping[str, float]], limit: float | None) -> bool | None:
    """True if the steps of all ratios shrink and the traces come nearer to their limit, else open."""
    if len(ratios) < 3:
        return None
    for norm in ("trace", "frobenius", "operator"):
        steps = np.abs(np.diff([ratio[norm] for ratio in ratios]))
        if steps[-1] > steps[0]:
            return None
    nearer = limit is None or abs(ratios[-1]["trace"] - limit) < abs(ratios[0]["trace"] - limit)
    return True if nearer else None


def _recheck(problem: Problem, certificate: Certificate) -> Check:
    """Traces from the diagonal blocks, and the limit as the ratio of what they add per unit of scale, at any size.

    The other two norms by dense Hessians at the problem's own width, where these are small.
    """
    limit, ratios = certificate.numbers["trace_ratio_limit"], certificate.numbers["ratios"]
    agrees, compared, numbers = (limit is None) == bool(problem.classes % 2), False, {}
    claimed = {ratio["decay"]: ratio for ratio in ratios}
    decays = [at.mean_decay for at in _decreasing(problem) if _both_exist(at)]
    agrees &= certificate.holds is _settles(ratios, limit) and list(claimed) == (decays if ratios else [])
    for at in _decreasing(problem):
        dnc, pairs = existing("simplex", at), existing("paired", at)
        if dnc is None or pairs is None:
            continue
        traces = [hessian_trace(point.logits, at) for point in (dnc, pairs)]
        base = at.mean_decay * collapse_spectrum(at).parameters
        growth = (traces[0] - base) / dnc.scales[0] / ((traces[1] - base) / pairs.scales[0])
        numbers[f"decay {at.mean_decay:.3g}"] = {"trace": traces[0] / traces[1], "growth": growth}
        if at.mean_decay in claimed:
            agrees &= math.isclose(traces[0] / traces[1], claimed[at.mean_decay]["trace"], rel_tol=1e-6)
            agrees &= _norms_agree(claimed[at.mean_decay], (dnc, pairs), problem=at)
        if limit is not None:
            room = at.classes**2 * math.exp(-min(dnc.scales[0], pairs.scales[0])) + _ROUNDING
            agrees &= abs(growth / limit - 1.0) <= room
        compared |= at.mean_decay in claimed or limit is not None
    return Check(agrees if compared else None, "traces from the diagonal blocks of the Hessian", numbers)


def _norms_agree(ratio: Mapping[str, float], points: tuple[Structure, Structure], *, problem: Problem) -> bool:
    """Frobenius and operator norms by dense Hessians; True where these are too large to build."""
    if sum(rows * columns for rows, columns in factor_shapes(problem)) > _SPECTRA_PARAMETERS:
        return True
    factors = [balanced_factors(point.logits, problem) for point in points]
    above, below = (np.linalg.eigvalsh(dense_hessian(at, problem)) for at in factors)
    found = {
        "frobenius": np.linalg.norm(above) / np.linalg.norm(below),
        "operator": np.abs(above).max() / np.abs(below).max(),
    }
    return all(math.isclose(ratio[name], value, rel_tol=1e-6) for name, value in found.items())
