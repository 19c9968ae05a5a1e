"""Extreme eigenvalues and nullity of the Hessian at any point, from Hessian-vector products alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature.gauge import gauge_directions
from deepcollapse.curvature.hessian import HessianOperator, flatten, hessian_at
from deepcollapse.curvature.lanczos import EigenPairs, Lanczos
from deepcollapse.curvature.spectrum import ZERO
from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Factors, Problem, gradient

__all__ = ["NULL_CAP", "ExtremeEigenvalues", "extreme_eigenvalues"]

NULL_CAP = 64
"""Non-positive eigenvalues, beyond the rotations, after which the count stops and is a lower bound."""


@dataclass(frozen=True, slots=True)
class ExtremeEigenvalues:
    """The ends of a Hessian's spectrum.

    Attributes:
        smallest: the smallest eigenvalues, ascending, rotations among them.
        largest: the largest, descending.
        smallest_residuals: ||H v - value v|| of each,
        largest_residuals: likewise.
        negative: number of eigenvalues below minus the zero tolerance.
        nullity: number within it of zero, rotations included.
        rotations: how many null directions are rotations of hidden layers, None if they were not split off.
        gap: the smallest eigenvalue above the zero tolerance, None if the count stopped before it.
        complete: False if the count stopped at ``NULL_CAP``: ``negative`` and ``nullity`` are then "at least".
        kinks: pre-activations that are exactly 0 in a ReLU network, where the Hessian is one-sided.
        gradient_norm: of F, over the decay.
        zero: tolerance of zero, in units of the decay.
    """

    smallest: Float[np.ndarray, " c"]
    largest: Float[np.ndarray, " c"]
    smallest_residuals: Float[np.ndarray, " c"]
    largest_residuals: Float[np.ndarray, " c"]
    negative: int
    nullity: int
    rotations: int | None
    gap: float | None
    complete: bool
    kinks: int
    gradient_norm: float
    zero: float

    @property
    def verdict(self) -> str:
        """What the point is to second order.

        "not critical": the gradient exceeds the zero tolerance. "not smooth": there are kinks, so the Hessian does not
        decide. "strict saddle", "Morse-Bott minimum" and "degenerate": as for ``Spectrum``, the rotations being the
        solution set. "positive semidefinite": no eigenvalue is negative, but the rotations were not split off.
        """
        if self.gradient_norm > self.zero:
            return "not critical"
        if self.kinks:
            return "not smooth"
        if self.negative:
            return "strict saddle"
        if self.rotations is None:
            return "positive semidefinite"
        return "Morse-Bott minimum" if self.nullity == self.rotations else "degenerate"


def extreme_eigenvalues(
    factors: Factors,
    problem: Problem,
    *,
    generator: np.random.Generator,
    count: int = 6,
    tol: float = 1e-9,
    zero: float = ZERO,
    rotations: bool = True,
    max_iterations: int = 2000,
) -> ExtremeEigenvalues:
    """The ends of the Hessian's spectrum at any factors, linear or ReLU, and how many eigenvalues are not positive.

    Lanczos on Hessian-vector products, repeated with what was found moved out of the way until no eigenvalue <= 0 is
    left (see ``Lanczos.lowest``). At a critical point the rotations of hidden layers, whose number grows with the
    width, are moved away first (``gauge_directions``).

    Args:
        factors: the point.
        problem: the model.
        generator: draws the starting vectors.
        count: how many at each end, and per run.
        tol: accuracy of eigenvalues, relative to the largest.
        zero: tolerance of zero and of the gradient, in units of the decay. An endpoint of gradient descent needs more
            than the default: its gradient leaves null directions with eigenvalues of its own size.
        rotations: whether to split off the rotations (they need memory, see ``gauge.BASIS_LIMIT``).
        max_iterations: Lanczos restarts.

    Raises:
        InvalidInputError: factors that are not the problem's, or count outside 1..parameters - 1.
        TooLargeError: too many rotations; switch them off.
        ConvergenceError: Lanczos did not converge.

    >>> from deepcollapse.ufm import balanced_factors, collapse
    >>> problem = Problem(classes=4, layers=2, width=12, samples=2)
    >>> point = balanced_factors(collapse(problem).logits, problem)
    >>> ends = extreme_eigenvalues(point, problem, generator=np.random.default_rng(0))
    >>> ends.verdict, ends.nullity
    ('Morse-Bott minimum', 60)
    """
    hessian, decay = hessian_at(factors, problem), problem.mean_decay
    _expect_count(count, hessian.parameters)
    lanczos = Lanczos(
        product=lambda vector: hessian.flat_product(vector) / decay,
        size=hessian.parameters,
        count=count,
        generator=generator,
        tol=tol,
        max_iterations=max_iterations,
    )
    slope = float(np.linalg.norm(flatten(gradient(factors, problem)))) / decay
    split = rotations and slope <= zero
    none = EigenPairs(np.zeros(0), np.zeros((hessian.parameters, 0)))
    known = none.merged(_rotations(hessian, problem, zero=zero)) if split else none
    radius = lanczos.radius()
    low, complete = lanczos.lowest(known, radius=radius, zero=zero, cap=NULL_CAP)
    high, _ = lanczos.negated().lowest(none, radius=radius, zero=-np.inf, cap=1)
    first, positive = slice(count), low.values[low.values > zero]
    return ExtremeEigenvalues(
        smallest=decay * low.values[first],
        largest=-decay * high.values[first],
        smallest_residuals=decay * _residuals(lanczos, low.where(first)),
        largest_residuals=decay * _residuals(lanczos.negated(), high.where(first)),
        negative=int((low.values < -zero).sum()),
        nullity=int((np.abs(low.values) <= zero).sum()),
        rotations=known.values.size if split else None,
        gap=float(decay * positive[0]) if complete and positive.size else None,
        complete=complete,
        kinks=_kinks(hessian),
        gradient_norm=slope,
        zero=zero,
    )


def _rotations(hessian: HessianOperator, problem: Problem, *, zero: float) -> EigenPairs:
    """Rotations that the Hessian maps to zero; those of directions on the way to zero are not among them."""
    basis = gauge_directions(hessian.factors, problem)
    images = np.stack([hessian.flat_product(v) for v in basis.T], axis=1) / problem.mean_decay if basis.size else basis
    null = np.linalg.norm(images, axis=0) <= zero
    return EigenPairs((basis * images).sum(axis=0), basis).where(null)


def _residuals(lanczos: Lanczos, pairs: EigenPairs) -> Float[np.ndarray, " c"]:
    images = [lanczos.product(vector) for vector in pairs.vectors.T]
    return np.array(
        [
            np.linalg.norm(image - value * vector)
            for image, value, vector in zip(images, pairs.values, pairs.vectors.T, strict=True)
        ]
    )


def _kinks(hessian: HessianOperator) -> int:
    if not hessian.relu:
        return 0
    hidden = zip(hessian.factors[1:-1], hessian.inputs, strict=False)
    return sum(int((weight @ before == 0).sum()) for weight, before in hidden)


def _expect_count(count: int, parameters: int) -> None:
    if not 1 <= count < parameters:
        raise InvalidInputError(
            f"count: expected 1 to parameters - 1 = {parameters - 1}, but found {count}; ask for another number"
        )
