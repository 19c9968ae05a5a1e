"""The whole Hessian spectrum at deep neural collapse in closed form."""

import math

import numpy as np

from deepcollapse.curvature.dimension import solution_dimension
from deepcollapse.curvature.spectrum import Spectrum, merged
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, collapse

__all__ = ["collapse_spectrum", "critical_log_decay", "expect_closed_form"]

_CRITICAL = 1e-9  # relative residual of the scale equation up to which a given scale counts as critical


def collapse_spectrum(problem: Problem, *, scale: float | None = None) -> Spectrum:
    """All eigenvalues of the Hessian at deep neural collapse, Zbar = alpha (I - 1 1^T / K), with multiplicities.

    The permutations of the classes act on rows and columns and split the space of perturbations into few irreducible
    blocks; in the frames of the balanced factors the multilinear term couples factors with strength exactly the decay.
    With r = K - 1, a = alpha / K, P = 1 / (1 + (K - 1) e^-alpha), u = (1 - e^-alpha) P, in units of the decay:

    | eigenvalue | multiplicity |
    |---|---|
    | 0 | L (r (d - r) + r (r - 1) / 2) |
    | 1 | r + (d - r) + (d - r) (N - r) + (L - 1) (d - r)^2 |
    | 2 | L (r (d - r) + r (r + 1) / 2) |
    | M (1 + a) | r (r - 1) / 2 |
    | 2 + M (a - 1) | K (K - 3) / 2 |
    | 2 + M (alpha P - 1) | 1 |
    | both of [[2 + M (c_s - 1), sqrt(M) c_x], [sqrt(M) c_x, 1 + c_o]] | K - 1 |
    | 1 + a | K (n - 1) (K - 2) |
    | 1 + alpha P | K (n - 1) |

    with c_s = a (1 + (K - 2) u), c_o = a (1 + u), c_x = a u sqrt(K - 2). (K = 2: the fifth row does not occur and the
    block is its second entry alone.) The cost does not depend on the width.

    Args:
        problem: cross-entropy, linear, equal samples, one decay, width >= K - 1.
        scale: a critical scale alpha > 0; None takes the lowest minimum along the ray.

    Raises:
        InvalidInputError: the problem is not of this kind, or the scale is not critical.
        UndefinedError: collapse does not exist at this decay.

    Source: derived; arXiv 2410.23169 (Theorem 4) proves that no eigenvalue is negative for small decay.

    >>> spectrum = collapse_spectrum(Problem(classes=1000, layers=3, width=4096, samples=5, decay=2.0**-20))
    >>> spectrum.negative, spectrum.nullity
    (498500, 10777212)
    """
    expect_closed_form(problem)
    if problem.d < problem.classes - 1:
        raise InvalidInputError(
            f"width: expected at least the rank K - 1 = {problem.classes - 1} of collapse, but found {problem.d}; widen"
        )
    if scale is not None:
        _expect_critical(scale, problem)
    table = _table(collapse(problem).scales[0] if scale is None else scale, problem)
    return merged(
        problem.mean_decay * np.array([value for value, _ in table]),
        [count for _, count in table],
        decay=problem.mean_decay,
        solution_dimension=solution_dimension(problem.classes - 1, problem),
    )


def expect_closed_form(problem: Problem) -> None:
    """Raise InvalidInputError unless the problem is linear, cross-entropy, with equal samples and one decay."""
    decays = set(problem.factor_decays)
    demands = {
        "loss": (problem.loss == "ce", '"ce"', repr(problem.loss), "balanced_spectrum"),
        "activation": (
            problem.activation == "linear",
            '"linear"',
            repr(problem.activation),
            "extreme_eigenvalues",
        ),
        "samples": (problem.balanced, "equally many per class", "several numbers", "balanced_spectrum"),
        "decay": (len(decays) == 1, "one number", f"{len(decays)} different ones", "balanced_spectrum"),
    }
    for name, (holds, expected, found, remedy) in demands.items():
        if not holds:
            raise InvalidInputError(f"{name}: expected {expected} for the closed form, but found {found}; use {remedy}")


def critical_log_decay(scale: float, problem: Problem) -> float:
    """Logarithm of the decay at which the scale is critical: decay n^(1/M) = alpha^((L-1)/M) / (K - 1 + e^alpha).

    Source: arXiv 2410.23169, Section 3 (for n = 1); in logarithms nothing overflows.
    """
    share = (problem.layers - 1) / problem.factors
    growth = share * math.log(scale) if share else 0.0
    total = float(np.logaddexp(math.log(problem.classes - 1), scale))
    return growth - total - math.log(problem.class_samples[0]) / problem.factors


def _expect_critical(scale: float, problem: Problem) -> None:
    residual = abs(critical_log_decay(scale, problem) - math.log(problem.mean_decay)) if scale > 0 else math.inf
    if not residual <= _CRITICAL:
        raise InvalidInputError(
            f"scale: expected a critical one (log residual up to {_CRITICAL:g}), but found {scale!r} with "
            f"{residual:.3g}; leave it out for the minimum along the ray"
        )


def _table(alpha: float, problem: Problem) -> list[tuple[float, int]]:
    """Rows (eigenvalue over decay, multiplicity) of ``collapse_spectrum``."""
    K, n, d = int(problem.classes), int(problem.class_samples[0]), int(problem.d)
    L, M, r = int(problem.layers), int(problem.factors), K - 1
    a, tail = alpha / K, math.exp(-alpha)
    P = 1.0 / (1.0 + r * tail)
    return [
        (0.0, L * (r * (d - r) + r * (r - 1) // 2)),
        (1.0, r + (d - r) * (1 + K * n - r) + (L - 1) * (d - r) ** 2),
        (2.0, L * (r * (d - r) + r * (r + 1) // 2)),
        (M * (1.0 + a), r * (r - 1) // 2),
        (2.0 + M * (a - 1.0), max(K * (K - 3) // 2, 0)),
        (2.0 + M * (alpha * P - 1.0), 1),
        *((value, r) for value in _block(a, (1.0 - tail) * P, problem)),
        (1.0 + a, K * (n - 1) * (K - 2)),
        (1.0 + alpha * P, K * (n - 1)),
    ]


def _block(a: float, u: float, problem: Problem) -> list[float]:
    """Eigenvalues of the 2 x 2 block: diagonal logits against the off-diagonal part of the same symmetry."""
    K, M = problem.classes, problem.factors
    off = 1.0 + a * (1.0 + u)
    if K == 2:
        return [off]
    same = 2.0 + M * (a * (1.0 + (K - 2) * u) - 1.0)
    cross = math.sqrt(M * (K - 2)) * a * u
    return list(map(float, np.linalg.eigvalsh(np.array([[same, cross], [cross, off]]))))
