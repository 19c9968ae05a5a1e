"""The exact Hessian spectrum at width d of any balanced critical point, from a problem of the width of its rank."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from deepcollapse.curvature.dimension import solution_dimension
from deepcollapse.curvature.hessian import HessianOperator, LossCurvature, linearised
from deepcollapse.curvature.spectrum import Spectrum, merged
from deepcollapse.errors import InvalidInputError
from deepcollapse.linalg import numerical_rank
from deepcollapse.ufm import Problem, loss_gradient, stationarity, weighted_logits
from deepcollapse.ufm.network import hidden_inputs

__all__ = ["CRITICAL", "balanced_spectrum"]

CRITICAL = 1e-7
"""Largest ``ufm.stationarity`` of logits that count as critical. A residual of e moves eigenvalues by about
e s^((L-1)/M) times the decay, s the largest singular value of the logits."""

Row = tuple[Float[np.ndarray, " v"], int]  # eigenvalues that share a multiplicity


def balanced_spectrum(logits: Float[np.ndarray, "K K"], problem: Problem) -> Spectrum:
    """All eigenvalues of the Hessian at the balanced factors of width d with given critical class logits.

    Three parts, none of them of size d. (1) With E the orthonormal frame of class means, Z = Zbar D E^T with
    D = diag(sqrt n_k), the directions along E are a problem with K columns; in the frames of the rank r its width is r,
    and the Hessian of 2 K r + (L-1) r^2 parameters is diagonalised densely. (2) Directions of H_1 within class k see
    decay_0 I + A^T C_k A, A = W_L..W_1 and C_k the curvature of g in one sample, n_k - 1 times each. (3) The d - r
    dimensions beyond the rank add (d - r) times: 0 and decay_l + decay_{l+1} r times for l = 0..L-1, decay_0 (N - r)
    times, decay_L (K - r) times, decay_l (d - r) times for 0 < l < L. For L = 1 there is nothing between H_1 and W_1,
    and K - r copies of decay_0 and decay_1 pair up: they become both eigenvalues of [[decay_0, s_j], [s_j, decay_1]],
    s_j the singular values of dg/dZ outside the singular spaces of Z.

    The cost is that of (1), O((2 K r + (L-1) r^2)^3), whatever the width and the number of samples.

    Args:
        logits: class logits, K x K, column k for class k; rank at most the width. Zero is allowed.
        problem: linear; any loss, samples per class and decay per factor.

    Raises:
        InvalidInputError: the activation is not linear, the logits are not critical (``stationarity`` above
            ``CRITICAL``), or their rank is above the width.
        TooLargeError: more than ``DENSE_LIMIT`` parameters in part (1).

    Source: derived.

    >>> from deepcollapse.ufm import structure
    >>> problem = Problem(classes=10, layers=2, width=70)
    >>> spectrum = balanced_spectrum(structure("partition-2-2-2-4", problem).logits, problem)
    >>> spectrum.verdict, spectrum.negative
    ('strict saddle', 5)
    """
    _expect_critical(logits, problem)
    u, s, vt = np.linalg.svd(weighted_logits(logits, problem))
    rank = numerical_rank(s)
    dimension = solution_dimension(rank, problem)
    core = _core(logits, (u[:, :rank], s[:rank], vt[:rank]), problem=problem)
    rows = [*_class_means(core), *_within_classes(core, problem), *_beyond_rank(core, problem)]
    if problem.layers == 1:
        outside = u[:, rank:].T @ core.errors[-1] @ vt[rank:].T
        rows += _paired_ends(np.linalg.svd(outside, compute_uv=False), problem, beyond=problem.d - rank)
    return merged(
        np.concatenate([values for values, _ in rows]),
        [count for values, count in rows for _ in values],
        decay=problem.mean_decay,
        solution_dimension=dimension,
    )


def _core(
    logits: Float[np.ndarray, "K K"], svd: tuple[np.ndarray, np.ndarray, np.ndarray], *, problem: Problem
) -> HessianOperator:
    """The Hessian of the problem in the K weighted class columns, at width r and diagonal hidden factors.

    Column k of the weighted logits is sqrt(n_k) times the class logits, so g has gradient sqrt(n_k) / N (p - e_k) and
    curvature C_k = (1 / N) (diag(p) - p p^T) in it, the curvature of one sample ("ce").
    """
    u, s, vt = svd
    total, shared = problem.total_samples, s ** (1.0 / problem.factors)
    sizes = [shared * math.sqrt(problem.mean_decay / decay) for decay in problem.factor_decays]
    factors = (sizes[0][:, None] * vt, *map(np.diag, sizes[1:-1]), u * sizes[-1])
    weights = np.sqrt(np.array(problem.class_samples, dtype=float)) / total
    return linearised(
        factors,
        tuple(hidden_inputs(factors, problem)),
        error=loss_gradient(logits, np.arange(problem.classes), weights, kind=problem.loss),
        curvature=LossCurvature(
            np.full(problem.classes, 1.0 / total), softmax(logits, axis=0) if problem.loss == "ce" else None
        ),
        problem=problem,
    )


def _class_means(core: HessianOperator) -> list[Row]:
    return [(np.linalg.eigvalsh(core.dense()), 1)] if core.parameters else []


def _within_classes(core: HessianOperator, problem: Problem) -> list[Row]:
    rank, classes = core.factors[0].shape
    if problem.total_samples == classes or rank == 0:
        return []
    map_to_logits = core.factors[-1] * np.prod([np.diag(w) for w in core.factors[1:-1]], axis=0)
    columns = np.repeat(map_to_logits.T[:, :, None], classes, axis=2)
    curved = np.einsum("ia,bik->kab", map_to_logits, core.curvature(columns))
    values = core.decays[0] + np.linalg.eigvalsh(curved)
    return [(row, samples - 1) for row, samples in zip(values, problem.class_samples, strict=True)]


def _beyond_rank(core: HessianOperator, problem: Problem) -> list[Row]:
    """Part (3) but for the two outer factors at L = 1 along class means."""
    rank, classes = core.factors[0].shape
    beyond, decays = problem.d - rank, np.array(core.decays)
    rows = [
        (np.zeros(1), problem.layers * rank * beyond),
        (decays[:-1] + decays[1:], rank * beyond),
        (decays[:1], beyond * (problem.total_samples - classes)),
        (decays[1:-1], beyond**2),
    ]
    if problem.layers > 1:
        rows.append((decays[[0, -1]], beyond * (classes - rank)))
    return rows


def _paired_ends(outside: Float[np.ndarray, " j"], problem: Problem, *, beyond: int) -> list[Row]:
    """Eigenvalues of [[decay_0, s], [s, decay_1]] for L = 1, each as often as there are dimensions beyond the rank."""
    first, last = problem.factor_decays
    reach = np.hypot((first - last) / 2.0, outside)
    middle = (first + last) / 2.0
    return [(middle - reach, beyond), (middle + reach, beyond)]


def _expect_critical(logits: Float[np.ndarray, "K K"], problem: Problem) -> None:
    if problem.activation != "linear":
        raise InvalidInputError(
            f'activation: expected "linear" for a balanced point, but found {problem.activation!r}; '
            "use extreme_eigenvalues"
        )
    residual = stationarity(logits, problem)
    if residual > CRITICAL:
        raise InvalidInputError(
            f"logits: expected a critical point (stationarity up to {CRITICAL:g}), but found {residual:.3g}; "
            "minimise further, or take a structure that is critical"
        )
