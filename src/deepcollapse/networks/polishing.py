"""From a trained network's endpoint on, with free features: the critical point of the feature model nearby."""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature import balanced_spectrum
from deepcollapse.curvature.hessian import flatten
from deepcollapse.errors import InvalidInputError, TooLargeError, UndefinedError
from deepcollapse.landscape.naming import structure_name
from deepcollapse.networks.verdict import HeadVerdict, finite_loss, head_verdict
from deepcollapse.polishing import KinkVerdict, kink_verdict
from deepcollapse.polishing.merged_samples import Frames, compressed, merged_samples, single_samples
from deepcollapse.polishing.rest import Progress, Rest, rest
from deepcollapse.ufm import Factors, Problem, gradient, read_factors, regularised_loss

__all__ = ["LARGEST_POLISHED", "Polished", "polish"]

LARGEST_POLISHED = 10_000_000
"""Most free numbers after all reductions: L-BFGS keeps twenty vectors of as many, 1.6 GB."""

_STILL = 1e-8  # relative rate of descent that is none, at kinks within rounding
_NOTHING = 1e-12  # logits of a critical point other than zero are far larger

_LINEAR = (
    "exact: samples of a class share their features, and each factor is kept in the at most {rank} dimensions that "
    "the features reach; loss never rose on the way there, class-mean logits stayed"
)
_RELU = (
    "samples of a class share their features where they switch on the same hidden units (exact) or where loss was seen "
    "not to rise on the way to their mean; {columns} columns are left"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polished:
    """Where descent of the feature model ends that starts at a network.

    Attributes:
        factors: H_1, W_1, ..., W_L at the end.
        problem: the model.
        loss: F at the end.
        start_loss: F at the start; never below ``loss``, up to rounding.
        converged: whether the end is a critical point: F is differentiable there, ``gradient_norm`` at most the
            tolerance.
        gradient_norm: sqrt(sum_l ||dF/dA_l||^2 / decay_l) / sqrt(sum_l decay_l ||A_l||^2) at the end, all samples and
            the whole width counted, the denominator the larger of start and end. Scaling objective and decays together
            does not change it, nor does moving scale between the decays of different factors.
        steps: of L-BFGS and Newton's method.
        explanation: why it did not converge; None if it did.
        moved: ||Zbar - Zbar_start|| / max(||Zbar||, ||Zbar_start||) of the class-mean logits; 0 where both are zero.
        reduction: what was used to make the problem smaller, in words.
        stable: whether the Hessian of the full model is positive semidefinite at the end. None where it is not known:
            not converged, ReLU, or a rank too large for the exact spectrum.
        rest: of a ReLU head, what is proven of the end ("minimum", "stationary", "saddle", "not stationary" or
            "undecided", with the reason), at kinks or not; None for linear heads.
        structure: name of the critical structure of the linear model that the end equals to 1e-5 up to a class
            permutation, "unnamed" for others; None where not converged, or ReLU.
        verdict: the end, read as a trained head is; None where deep neural collapse does not exist at these decays.
    """

    factors: Factors
    problem: Problem
    loss: float
    start_loss: float
    converged: bool
    gradient_norm: float
    steps: int
    explanation: str | None
    moved: float
    reduction: str
    stable: bool | None
    rest: KinkVerdict | None
    structure: str | None
    verdict: HeadVerdict | None

    def as_json(self) -> dict[str, object]:
        """The attributes by name but for factors and problem; the verdict as its own ``as_json`` gives it."""
        names = (name for name in self.__dataclass_fields__ if name not in ("factors", "problem", "verdict", "rest"))
        plain: dict[str, object] = {name: getattr(self, name) for name in names}
        rest = None if self.rest is None else asdict(self.rest)
        return plain | {"rest": rest, "verdict": None if self.verdict is None else self.verdict.as_json()}


def polish(
    factors: Factors,
    problem: Problem,
    *,
    tolerance: float = 1e-10,
    steps_max: int = 20_000,
    progress: Progress | None = None,
) -> Polished:
    """Let the features of a trained network go free, and descend to the feature model's critical point nearby.

    Nearby means: reached in stages, none of which ends at a higher F than it began with (``rest``). They begin with
    what descent can do at once without moving the class-mean logits. Linear heads (and L = 1): all features of a class
    go to their mean (``merged_samples``), then all factors to the at most min(d, K) dimensions that the means reach
    (``compressed``); 2 K r + (L-1) r^2 numbers are left, whatever N and d. ReLU heads: samples of a class that switch
    on the same hidden units go to their mean, again whenever more of them do, and whole classes where F is seen to fall
    all the way. Then L-BFGS, which sees F at finitely many points of its way only, and Newton's method, in coordinates
    in which all decays are equal. Gradient norm and loss at the end are those of the unreduced model.

    Descent that starts on the way into a saddle, such as an exactly symmetric network, ends there: see ``stable``.
    Minima of ReLU heads often lie at kinks, where hidden inputs are 0 and F has no gradient. Descent then goes on along
    them (``along_kinks``, while there are few enough; on the way there F can rise for a while, but an end above its
    start is dropped). Such an end does not count as converged; ``rest`` says what is proven of it.

    Args:
        factors: H_1 and W_1, ..., W_L, as ``Network.factors`` reads them.
        problem: sizes, decays and activation.
        tolerance: largest ``gradient_norm`` of a critical point.
        steps_max: of L-BFGS and Newton together; a round along kinks that has begun may go beyond.
        progress: called now and then with the steps done and the relative gradient norm.

    Raises:
        InvalidInputError: factors that do not fit the problem, a loss beyond float64, tolerance or steps out of range.
        TooLargeError: more than ``LARGEST_POLISHED`` numbers are left.

    >>> from deepcollapse.ufm import balanced_factors, structure
    >>> problem = Problem(classes=4, layers=2, samples=3, width=6)
    >>> factors = balanced_factors(1.1 * structure("simplex", problem).logits, problem)
    >>> end = polish(factors, problem)
    >>> end.converged, end.structure, end.stable
    (True, 'simplex', True)
    """
    _expect_options(tolerance, steps_max)
    start_loss = finite_loss(factors, problem)
    linear = problem.activation == "linear" or problem.layers == 1
    model, start = merged_samples(*single_samples(factors, _effective(problem)))
    size = float(np.linalg.norm(flatten(start)))
    start, frames = compressed(start) if linear else (start, None)
    _expect_small(start)
    found = rest(model, start, tolerance=tolerance, steps_max=steps_max, progress=progress)
    end = found.model.unmerged(found.factors if frames is None else _widened(found.factors, frames))
    norm = _gradient_norm(end, problem, size=max(size, found.size))
    judged = None if linear else kink_verdict(found.model, found.factors, tolerance=max(_STILL, tolerance))
    columns = found.model.counts.size
    converged = norm <= tolerance and not found.kinks
    words = _LINEAR.format(rank=len(found.factors[0])) if linear else _RELU.format(columns=columns)
    return Polished(
        factors=end,
        problem=problem,
        loss=regularised_loss(end, problem),
        start_loss=start_loss,
        converged=converged,
        gradient_norm=norm,
        steps=found.steps,
        explanation=None if converged else _explanation(found, norm, judged=judged, steps_max=steps_max),
        moved=_moved(factors, end, problem=problem),
        reduction=words,
        stable=_stable(end, problem) if converged and linear else None,
        rest=judged,
        structure=_structure(end, problem) if converged and linear else None,
        verdict=_verdict(end, problem),
    )


def _effective(problem: Problem) -> Problem:
    """A single layer has no hidden unit to rectify."""
    return problem.replace(activation="linear") if problem.layers == 1 else problem


def _widened(factors: Factors, frames: Frames) -> Factors:
    """The inverse of ``compressed``."""
    links = zip(pairwise(frames), factors[1:-1], strict=True)
    hidden = [after @ weight @ before.T for (before, after), weight in links]
    return (frames[0] @ factors[0], *hidden, factors[-1] @ frames[-1].T)


def _gradient_norm(factors: Factors, problem: Problem, *, size: float) -> float:
    slopes = gradient(factors, problem)
    squared = sum(
        float(np.square(slope).sum()) / decay for slope, decay in zip(slopes, problem.factor_decays, strict=True)
    )
    pull = problem.mean_decay**0.5 * size
    return squared**0.5 / pull if pull > 0 else 0.0


def _moved(start: Factors, end: Factors, *, problem: Problem) -> float:
    before, after = (read_factors(factors, problem).logits for factors in (start, end))
    size = max(float(np.linalg.norm(before)), float(np.linalg.norm(after)))
    return float(np.linalg.norm(after - before)) / size if size > 0 else 0.0


def _stable(factors: Factors, problem: Problem) -> bool | None:
    linear = _effective(problem)
    try:
        return balanced_spectrum(_logits(factors, problem), linear).positive_semidefinite
    except (TooLargeError, InvalidInputError):
        return None


def _structure(factors: Factors, problem: Problem) -> str:
    return structure_name(_logits(factors, problem), regularised_loss(factors, problem), _effective(problem))


def _logits(factors: Factors, problem: Problem) -> Float[np.ndarray, "K K"]:
    """Class-mean logits; those of a descent to zero are 0, not what is left of it."""
    logits = read_factors(factors, problem).logits
    return logits if np.abs(logits).max() > _NOTHING else np.zeros_like(logits)


def _verdict(factors: Factors, problem: Problem) -> HeadVerdict | None:
    try:
        return head_verdict(factors, problem)
    except UndefinedError:
        return None


def _explanation(found: Rest, norm: float, *, judged: KinkVerdict | None, steps_max: int) -> str:
    if found.kinks and judged is not None:
        what = {
            "minimum": "ended at a kink, at a local minimum",
            "stationary": "ended at a kink, at a stationary point",
            "saddle": "ended at a kink, at a saddle",
            "not stationary": "not converged, stopped near a kink",
            "undecided": "stopped near a kink, undecided",
        }[judged.kind]
        return (
            f"{what}: {judged.kinks} hidden inputs of the ReLU are 0 up to rounding where the objective can bend, so "
            f"it has no gradient there; {judged.reason}"
        )
    if found.steps >= steps_max:
        return (
            f"not converged: all {steps_max} steps were taken, and the relative gradient norm is still {norm:.3g}; "
            "raise steps_max"
        )
    return (
        f"not converged: descent came to rest at the relative gradient norm {norm:.3g}, where the loss no longer falls "
        "by more than rounding; ask for a larger tolerance"
    )


def _expect_options(tolerance: float, steps_max: int) -> None:
    if not 0 < tolerance < 1:
        raise InvalidInputError(
            f"tolerance: expected a relative gradient norm between 0 and 1, but found {tolerance}; ask for 1e-10"
        )
    if steps_max < 1:
        raise InvalidInputError(f"steps_max: expected at least 1, but found {steps_max}; ask for 20000")


def _expect_small(factors: Factors) -> None:
    size = sum(factor.size for factor in factors)
    if size > LARGEST_POLISHED:
        raise TooLargeError(
            f"factors: expected at most {LARGEST_POLISHED} numbers to descend in, but found {size}; "
            "take fewer samples of each class"
        )
