"""The rest point next to an end of gradient descent, along the kinks of a ReLU model, and what it is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.polishing.merged_samples import merged_samples, single_samples
from deepcollapse.polishing.rest import rest
from deepcollapse.polishing.second_order import KinkVerdict, kink_verdict, with_unused, without_unused
from deepcollapse.ufm import Factors, Problem, forward, regularised_loss
from deepcollapse.ufm.network import expect_factors

__all__ = ["LARGEST_END", "NearRest", "near_rest"]

LARGEST_END = 20_000
"""Most numbers in all factors: an end of 2,000 takes seconds, and the time grows like the square."""

_SAME = 1e-2  # relative distance of logits
_STEPS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class NearRest:
    """A rest point next to given factors.

    Attributes:
        factors: H_1, W_1, ..., W_L there.
        logits: K x N.
        loss: F there; never above F at the given factors, rounding apart.
        moved: ||Z - Z_given|| / max(||Z||, ||Z_given||).
        verdict: what is proven of it.
    """

    factors: Factors
    logits: Float[np.ndarray, "K N"]
    loss: float
    moved: float
    verdict: KinkVerdict

    @property
    def decided(self) -> bool:
        """Whether the given factors oscillate about it: a stationary point, no known saddle, and logits within 1 %."""
        return self.verdict.kind in ("minimum", "stationary") and self.moved <= _SAME


def near_rest(factors: Factors, problem: Problem, *, tolerance: float = 1e-6) -> NearRest:
    """Descend from an end of gradient descent to the rest point next to it, and test that.

    Gradient descent with a fixed step jumps to and fro across kinks and keeps a gradient of the size of their jumps.
    This goes on by ``rest``, which ends at kinks, and ``kink_verdict``. Seconds for 1,000 numbers.

    Args:
        factors: H_1, W_1, ..., W_L of a ReLU model.
        problem: the model.
        tolerance: relative rate of descent that is none.

    Raises:
        InvalidInputError: not a ReLU model, or factors that do not fit it.
        TooLargeError: more than ``LARGEST_END`` numbers.

    >>> from deepcollapse.ufm import gaussian_factors
    >>> problem = Problem(classes=3, layers=2, width=4, activation="relu")
    >>> found = near_rest(gaussian_factors(problem, np.random.default_rng(0)), problem)
    >>> found.verdict.kind, near_rest(found.factors, problem).decided
    ('stationary', True)
    """
    expect_factors(factors, problem)
    if problem.activation != "relu" or problem.layers == 1:
        raise InvalidInputError(
            f"problem: expected a ReLU model of at least two layers, but found {problem.activation}, "
            f"{problem.layers} layers; a model without hidden ReLU has no kinks"
        )
    size = sum(factor.size for factor in factors)
    if size > LARGEST_END:
        raise TooLargeError(
            f"factors: expected at most {LARGEST_END} numbers to follow kinks in, but found {size}; "
            "take fewer samples or a smaller width"
        )
    model, start = merged_samples(*single_samples(factors, problem))
    smaller, used = without_unused(start)  # inputs of unused units are 0, and would have to be held
    if not all(units.any() for units in used):
        smaller, used = start, []
    found = rest(model, smaller, tolerance=0.01 * tolerance, steps_max=_STEPS)
    full = with_unused(found.factors, used)
    end = found.model.unmerged(full)
    before, after = forward(factors, problem), forward(end, problem)
    largest = max(float(np.linalg.norm(before)), float(np.linalg.norm(after)))
    return NearRest(
        factors=end,
        logits=after,
        loss=regularised_loss(end, problem),
        moved=float(np.linalg.norm(after - before)) / largest if largest > 0 else 0.0,
        verdict=kink_verdict(found.model, full, tolerance=tolerance),
    )
