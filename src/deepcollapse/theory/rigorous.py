"""A rigorous certificate that no collapsed point is a global minimum."""

from dataclasses import dataclass, replace

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.linalg import numerical_rank
from deepcollapse.theory.certificate import plain
from deepcollapse.theory.enclosure import (
    Evaluation,
    evaluated,
    least_collapse_loss,
    least_critical_collapse_loss,
    zero_loss,
)
from deepcollapse.theory.known import existing, fitting_collapse, lowest_rival
from deepcollapse.ufm import Factors, Problem, Structure, balanced_factors, diagonally_superior
from deepcollapse.ufm.relu_networks import relu_networks
from deepcollapse.ufm.structures import zero

__all__ = ["Refutation", "refutation"]

_ABOVE_ZERO = 1e-12
_SHARP = 1e-4  # relative distance to the float64 minimum at which the lower bound is sharp enough without a competitor


@dataclass(frozen=True, slots=True)
class Refutation:
    """The outcome of an attempt to prove that collapse is not the global minimum.

    Attributes:
        verified: whether it is proven.
        dnc_lower_bound: proven lower bound of the loss of collapse over all scales; None where not applicable.
        competitor_upper_bound: proven upper bound of the loss of an explicit network; None without one.
        competitor: its name; "zero" where Z = 0 alone costs less than every collapsed point.
        decay: the decay that was enclosed, exactly: each float64 as a multiple of a power of two.
        reason: why it is verified, or why not.
    """

    verified: bool
    dnc_lower_bound: float | None
    competitor_upper_bound: float | None
    competitor: str | None
    decay: str
    reason: str

    def as_json(self) -> dict[str, object]:
        """The dictionary of the command line."""
        names = ("verified", "dnc_lower_bound", "competitor_upper_bound", "competitor", "decay", "reason")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True)
class _Competitor:
    """An explicit network, its features once per class."""

    name: str
    factors: Factors


def refutation(problem: Problem, *, competitor: Structure | None = None) -> Refutation:
    """Prove in interval arithmetic that an explicit network of low rank is below every collapsed point.

    The competitor is given by its factors, exact float64 numbers, of width below K - 1 (linear) or with logits of rank
    below K - 1 (ReLU); its loss and that it classifies every class correctly are enclosed. Against it stands a lower
    bound of the loss of linear collapse over all scales alpha >= 0, which is one of every ReLU network that is
    collapsed at every layer too (proof: docs/theory/relu.md). Verified means the two enclosures are disjoint in the
    right order. Where Z = 0 costs less than collapse, or collapse does not exist, Z = 0 is the competitor, and the
    bound is over all scales at which collapse may be critical. Otherwise nothing is verified for K <= 3, where no
    competitor exists, nor for L = 1, where collapse is optimal.

    Args:
        problem: cross-entropy with equally many samples per class; decays per factor are allowed.
        competitor: linear problems: the point to use; None takes the lowest one known.

    Raises:
        InvalidInputError: a competitor was given whose rank is not below K - 1 or above the width, or that
            misclassifies.

    Source: derived; the linear statement is arXiv 2410.23169 (T1), the ReLU one (T7).

    >>> refutation(Problem(classes=10, layers=2, samples=5, width=70)).verified
    True
    """
    if problem.loss != "ce" or not problem.balanced:
        return _inapplicable(problem)
    by_zero = _by_zero(problem) if competitor is None else None
    if by_zero is not None:
        return by_zero
    chosen = _competitor(problem, competitor)
    exact = _exact_decay(problem)
    if chosen is None:
        reason = "no network of rank below K - 1 that classifies every class correctly is known here"
        return Refutation(False, _bound(problem, None), None, None, exact, reason + _reservations(problem))
    found = evaluated(chosen.factors, problem)
    bound = _bound(problem, found.loss)
    failure = _reason(found, bound)
    reason = (failure or f"proven at decay {exact}: the enclosures are disjoint") + _reservations(problem)
    return Refutation(failure is None, bound, found.loss, chosen.name, exact, reason)


def _by_zero(problem: Problem) -> Refutation | None:
    """The proof that Z = 0 costs less than every collapsed point, where it does; None otherwise."""
    dnc, floor = existing("dnc", problem.replace(activation="linear", width=problem.classes)), zero(problem).loss
    if dnc is not None and dnc.loss <= floor:
        return None
    # Without a collapsed point the loss rises all along the ray; any number above log K will do for a target.
    target = floor * (1.0 + _ABOVE_ZERO) if dnc is None else 0.5 * (floor + dnc.loss)
    bound, cost = least_critical_collapse_loss(problem, target=target), zero_loss(problem)
    if bound is not None and not bound > cost:
        return None
    exact = _exact_decay(problem)
    reason = f"proven at decay {exact}: Z = 0 costs less than alpha S at every alpha > 0"
    reason = f"there is no DNC point at this decay; {reason}" if dnc is None else reason
    return Refutation(True, bound, cost, "zero", exact, reason + _reservations(problem))


def _exact_decay(problem: Problem) -> str:
    """The decays as float64 holds them, an odd integer times a power of two each; one if they are all equal."""
    decays = problem.factor_decays if len(set(problem.factor_decays)) > 1 else problem.factor_decays[:1]
    return ", ".join(map(_dyadic, decays))


def _dyadic(value: float) -> str:
    above, below = value.as_integer_ratio()
    power = (above & -above).bit_length() - below.bit_length()
    odd = above >> ((above & -above).bit_length() - 1)
    return f"2^{power}" if odd == 1 else f"{value!r} = {odd} * 2^{power}"


def _reservations(problem: Problem) -> str:
    """What to know about the bound of collapse, appended to the reason."""
    k, d = problem.classes, problem.d
    text = "; of ReLU networks, those that are collapsed at every layer" if problem.activation == "relu" else ""
    return text + (f"; DNC does not fit the width: its rank is {k - 1}, the width {d}" if d < k - 1 else "")


def _reason(found: Evaluation, bound: float) -> str | None:
    """Why the evaluation proves nothing; None if it does."""
    if not found.superior:
        return "the competitor is not proven to classify every class correctly"
    return None if found.loss < bound else "the competitor's loss is not proven to be below that of collapse"


def _bound(problem: Problem, competitor: float | None) -> float:
    """Lower bound of collapse's loss, sharp to 1e-4, or to half its distance from a competitor just below it."""
    dnc = fitting_collapse(problem.replace(activation="linear", width=problem.classes))
    lowest = zero(problem).loss if dnc is None else min(dnc.loss, zero(problem).loss)
    target = lowest * (1.0 - _SHARP)
    if competitor is not None and competitor < lowest:
        target = max(target, 0.5 * (competitor + lowest))
    return least_collapse_loss(problem, target=target)


def _competitor(problem: Problem, given: Structure | None) -> _Competitor | None:
    if problem.activation == "relu":
        return _relu_competitor(problem)
    point = lowest_rival(problem) if given is None else _expected(given, problem)
    return None if point is None else _Competitor(point.name, _once_per_class(_linear_factors(point, problem), problem))


def _linear_factors(point: Structure, problem: Problem) -> Factors:
    return balanced_factors(point.logits, problem.replace(width=point.rank))


def _relu_competitor(problem: Problem) -> _Competitor | None:
    """The best explicit ReLU network whose output weights, hence logits, have rank below K - 1."""
    for network in relu_networks(problem):
        narrow = problem.replace(width=network.hidden_width)
        factors = replace(network, problem=narrow).factors
        if _output_rank_bound(factors[-1]) < problem.classes - 1:
            return _Competitor(network.name, _once_per_class(factors, problem))
    return None


def _output_rank_bound(weights: np.ndarray) -> int:
    """Upper bound of the rank: non-zero columns, or rows that differ by more than the sign, whichever are fewer."""
    directions = {max(tuple(row), tuple(-row)) for row in weights}
    return min(int(np.abs(weights).any(axis=0).sum()), len(directions))


def _once_per_class(factors: Factors, problem: Problem) -> Factors:
    """The features of the first sample of each class; all samples of a class share them."""
    starts = np.cumsum([0, *problem.class_samples[:-1]])
    return (factors[0][:, starts], *factors[1:])


def _expected(point: Structure, problem: Problem) -> Structure:
    rank = numerical_rank(np.linalg.svd(point.logits, compute_uv=False))
    if not 0 < rank < problem.classes - 1 or not diagonally_superior(point.logits):
        raise InvalidInputError(
            f"competitor: expected logits of rank 1 to {problem.classes - 2} that classify every class correctly, but "
            f"found {point.name} of rank {rank}; choose another or leave it out"
        )
    if rank > problem.d:
        raise InvalidInputError(
            f"competitor: expected a rank of at most the width, {problem.d}, but found {point.name} of rank {rank}; "
            "widen the model or choose another"
        )
    return point


def _inapplicable(problem: Problem) -> Refutation:
    reason = (
        "not applicable: the squared error has another collapse (an orthogonal frame) and no theorem here"
        if problem.loss != "ce"
        else "not applicable: collapse with one scale needs equally many samples per class"
    )
    return Refutation(False, None, None, None, _exact_decay(problem), reason)
