"""All eigenvalues of a Hessian with their multiplicities, and what they say about the point."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError, TooLargeError

__all__ = ["MERGE", "ZERO", "Spectrum", "merged"]

MERGE = 1e-9
"""Neighbouring eigenvalues closer than this share of max(|value|, decay) are one eigenvalue."""

ZERO = 1e-6
"""Eigenvalues within this share of the decay count as zero: above what a residual gradient leaves (see
``balanced_spectrum``), below any non-zero eigenvalue away from a change of stability."""

_ROUNDING = 1e-12  # share of the decay below which an eigenvalue is rounding noise and reported as 0


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The eigenvalues of the Hessian of the regularised loss at one critical point.

    Attributes:
        eigenvalues: distinct values, ascending.
        multiplicities: how often each occurs.
        decay: geometric mean of the factors' decays, the unit in which an eigenvalue is called zero.
        solution_dimension: dimension of the set of factors with the same logits and the same loss.
    """

    eigenvalues: Float[np.ndarray, " v"]
    multiplicities: Int[np.ndarray, " v"]
    decay: float
    solution_dimension: int

    @property
    def parameters(self) -> int:
        """Number of eigenvalues, K d + (L - 1) d^2 + d N."""
        return self._count(np.ones_like(self.eigenvalues, dtype=bool))

    @property
    def nullity(self) -> int:
        """Number of eigenvalues within ``ZERO`` times the decay of zero."""
        return self._count(np.abs(self.eigenvalues) <= ZERO * self.decay)

    @property
    def negative(self) -> int:
        """Number of eigenvalues below minus ``ZERO`` times the decay."""
        return self._count(self.eigenvalues < -ZERO * self.decay)

    @property
    def least_positive(self) -> float:
        """The smallest eigenvalue above ``ZERO`` times the decay; some direction always has the decay itself."""
        return float(self.eigenvalues[self.eigenvalues > ZERO * self.decay][0])

    @property
    def minimum(self) -> float:
        """The smallest eigenvalue."""
        return float(self.eigenvalues[0])

    @property
    def maximum(self) -> float:
        """The largest eigenvalue."""
        return float(self.eigenvalues[-1])

    @property
    def trace(self) -> float:
        """Sum of all eigenvalues."""
        return math.fsum(self.eigenvalues * self.multiplicities)

    @property
    def frobenius_norm(self) -> float:
        """Root of the sum of squared eigenvalues."""
        return math.sqrt(math.fsum(self.eigenvalues**2 * self.multiplicities))

    @property
    def operator_norm(self) -> float:
        """Largest absolute eigenvalue."""
        return max(abs(self.minimum), abs(self.maximum))

    @property
    def positive_semidefinite(self) -> bool:
        """Whether no eigenvalue is negative."""
        return self.negative == 0

    @property
    def verdict(self) -> str:
        """What the point is to second order.

        "strict saddle": some eigenvalue is negative. "Morse-Bott minimum": none is, and the zero ones are the solution
        set's own directions, so it is a local minimum, strict up to the choice of frames. "degenerate": none is
        negative, but more are zero, so that second order does not decide.
        """
        if not self.positive_semidefinite:
            return "strict saddle"
        return "Morse-Bott minimum" if self.nullity == self.solution_dimension else "degenerate"

    def as_json(self) -> dict[str, object]:
        """The spectrum and what it says, in plain numbers, lists and names."""
        pairs = zip(self.eigenvalues.tolist(), self.multiplicities.tolist(), strict=True)
        return {
            "parameters": self.parameters,
            "eigenvalues": [{"value": value, "multiplicity": count} for value, count in pairs],
            "nullity": self.nullity,
            "solution_dimension": self.solution_dimension,
            "negative": self.negative,
            "min": self.minimum,
            "max": self.maximum,
            "trace": self.trace,
            "positive_semidefinite": self.positive_semidefinite,
            "verdict": self.verdict,
        }

    def _count(self, chosen: np.ndarray) -> int:
        return sum(map(int, self.multiplicities[chosen]))


def merged(
    values: Float[np.ndarray, " v"], multiplicities: list[int], *, decay: float, solution_dimension: int
) -> Spectrum:
    """The spectrum of raw eigenvalues, neighbours closer than ``MERGE`` joined at their mean.

    Args:
        values: eigenvalues in any order, repeats allowed.
        multiplicities: of each, >= 0; zero drops the value. Python integers, because they grow like d^2.
        decay: geometric mean of the decays.
        solution_dimension: see ``Spectrum``.

    Raises:
        InvalidInputError: a value is not finite, none is left, or fewer are zero than the solution set demands.
        TooLargeError: a multiplicity does not fit 64 bits.

    >>> merged(np.array([2.0, 0.0, 2.0]), [3, 5, 1], decay=1.0, solution_dimension=5).multiplicities
    array([5, 4])
    """
    if not np.isfinite(values).all() or not any(multiplicities):
        raise InvalidInputError(
            f"eigenvalues: expected finite values with a positive multiplicity, but found {values[:5]}...; "
            "check the point for NaN and infinities"
        )
    if sum(multiplicities) >= 2**63:
        raise TooLargeError(
            f"multiplicities: expected fewer than 2^63 parameters, but found {sum(multiplicities)}; lower the width"
        )
    values = np.where(np.abs(values) <= _ROUNDING * decay, 0.0, values)
    counts = np.array(multiplicities, dtype=np.int64)
    order = np.argsort(values[counts > 0], kind="stable")
    values, counts = values[counts > 0][order], counts[counts > 0][order]
    apart = np.diff(values) > MERGE * np.maximum(np.abs(values[1:]), decay)
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    sizes = np.add.reduceat(counts, starts)
    first = values[starts]
    shifts = (values - np.repeat(first, np.diff(np.append(starts, values.size)))) * counts
    spectrum = Spectrum(
        eigenvalues=first + np.add.reduceat(shifts, starts) / sizes,
        multiplicities=sizes,
        decay=decay,
        solution_dimension=solution_dimension,
    )
    if spectrum.nullity < solution_dimension:
        raise InvalidInputError(
            f"eigenvalues: expected at least {solution_dimension} within {ZERO:g} decays of zero, the dimension of the "
            f"solution set, but found {spectrum.nullity}; give a more accurate critical point"
        )
    return spectrum
