"""When deep neural collapse, and groups within a partition, have no negative curvature."""

import math
from dataclasses import dataclass

from scipy.optimize import root_scalar

from deepcollapse.curvature.collapse_spectrum import critical_log_decay, expect_closed_form
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import partition, solve

__all__ = ["CollapseStability", "GroupStability", "collapse_stability", "group_stability"]


@dataclass(frozen=True, slots=True)
class CollapseStability:
    """Where deep neural collapse has a positive semidefinite Hessian.

    Attributes:
        scale_min: collapse is stable iff its scale alpha is at least this.
        log_decay_max: natural logarithm of the decay with that scale.
        stable: whether collapse exists and is stable at the problem's decay.
    """

    scale_min: float
    log_decay_max: float
    stable: bool

    @property
    def decay_max(self) -> float:
        """Collapse is stable iff the decay is at most this; 0.0 where it is below every float (see the logarithm)."""
        return math.exp(self.log_decay_max)


def collapse_stability(problem: Problem) -> CollapseStability:
    """The threshold lambda_c between collapse as a local minimum and as a strict saddle.

    With b = (L - 1) / M, a = alpha / K and u = (1 - e^-alpha) / (1 + (K - 1) e^-alpha), the closed-form spectrum has no
    negative eigenvalue iff alpha >= alpha_c, where

    - K >= 4: alpha_c = K b (the eigenvalue 2 + M (a - 1); a >= b makes the 2 x 2 block positive too);
    - K = 3: a (1 + u) (1 - b) + a^2 (1 + 2 u) = b (the determinant of the block; the left side increases);
    - K = 2: alpha P = b, P = 1 / (1 + e^-alpha) (the ray's own curvature: all of the larger root's branch).

    The fold, alpha P = b for every K, never lies above alpha_c: at alpha = K b, P >= 1/K; at the fold of K = 3 the
    block's determinant is -M a u (1 + b) < 0. So stability picks the larger root, and lambda_c = alpha_c^b n^(-1/M) /
    (K - 1 + e^alpha_c). For L = 1 alpha_c = 0: collapse is stable wherever it exists, below 1 / (K sqrt n).
    Rescaling the factors is a congruence, so for per-factor decays the same holds of their geometric mean. O(1).

    Args:
        problem: linear, cross-entropy, equal samples; the decay is used for ``stable`` only.

    Raises:
        InvalidInputError: the problem is not of this kind.

    Source: derived.

    >>> round(collapse_stability(Problem(classes=3, layers=2)).scale_min, 6)
    0.787742
    >>> collapse_stability(Problem(classes=100, layers=3)).decay_max
    1.3638...e-21
    """
    expect_closed_form(problem.replace(decay=problem.mean_decay))
    scale = _scale_min(problem)
    limit = critical_log_decay(scale, problem)
    level = math.log(problem.mean_decay)
    stable = level < limit if problem.layers == 1 else level <= limit
    return CollapseStability(scale_min=scale, log_decay_max=limit, stable=stable)


def _scale_min(problem: Problem) -> float:
    K, share = problem.classes, (problem.layers - 1) / problem.factors
    if K >= 4 or share == 0:
        return K * share

    def excess(alpha: float) -> float:
        tail = math.exp(-alpha)
        P = 1.0 / (1.0 + (K - 1) * tail)
        if K == 2:
            return alpha * P - share
        a, u = alpha / K, (1.0 - tail) * P
        return a * (1.0 + u) * (1.0 - share) + a**2 * (1.0 + 2.0 * u) - share

    return root_scalar(excess, bracket=(0.0, K), xtol=1e-300, rtol=1e-15).root


@dataclass(frozen=True, slots=True)
class GroupStability:
    """Curvature of one group of classes within a partition.

    Attributes:
        size: of the group, k.
        scale: alpha_k.
        kappa: alpha_k / (k + (K - k) e^(alpha_k / k)).
        kappa_min: (L - 1) / M; the group is stable in these directions iff kappa is at least this.
        eigenvalue: decay (2 + M (kappa - 1)).
        multiplicity: k (k - 3) / 2.
    """

    size: int
    scale: float
    kappa: float
    kappa_min: float
    eigenvalue: float
    multiplicity: int

    @property
    def stable(self) -> bool:
        """Whether the eigenvalue is not negative: necessary for the partition to be a minimum, not sufficient."""
        return self.kappa >= self.kappa_min


def group_stability(size: int, problem: Problem) -> GroupStability:
    """The eigenvalue that a group of k >= 4 classes, a centred simplex, contributes to its partition's Hessian.

    decay (2 + M (kappa - 1)) with kappa = alpha_k / (k + (K - k) e^(alpha_k / k)), multiplicity k (k - 3) / 2. A group
    feels the other classes only through their zero logits, so the other groups do not matter. k = K is collapse.

    Args:
        size: 4 <= k <= K.
        problem: linear, cross-entropy, equal samples, one decay.

    Raises:
        InvalidInputError: the problem is not of this kind, or the size out of range.
        UndefinedError: the group has no stationary scale at this decay.

    Source: derived.

    >>> group_stability(4, Problem(classes=10, layers=2)).stable
    False
    """
    expect_closed_form(problem)
    if not 4 <= size <= problem.classes:
        raise InvalidInputError(
            f"size: expected a group of 4 to {problem.classes} classes, but found {size}; "
            "use balanced_spectrum for partitions into smaller groups"
        )
    others = problem.classes - size
    scale = solve(partition((size, *(1,) * others), problem), problem).scales[0]
    tail = math.exp(-scale / size)
    kappa = scale * tail / (size * tail + others) if others else scale / size
    return GroupStability(
        size=size,
        scale=scale,
        kappa=kappa,
        kappa_min=(problem.layers - 1) / problem.factors,
        eigenvalue=problem.mean_decay * (2.0 + problem.factors * (kappa - 1.0)),
        multiplicity=size * (size - 3) // 2,
    )
