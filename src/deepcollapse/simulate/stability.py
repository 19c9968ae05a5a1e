"""Whether the Hessian is positive semidefinite where a run ended, from the exact spectrum of width r."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float

from deepcollapse.curvature import Spectrum, balanced_spectrum, structure_spectrum
from deepcollapse.curvature.balanced import CRITICAL
from deepcollapse.errors import TooLargeError
from deepcollapse.landscape.fixed_rank import FixedRank, split
from deepcollapse.simulate.classify import LOGITS_RTOL, LOSS_RTOL, Verdict, nameable
from deepcollapse.ufm import Problem, Structure, logits_objective, stationarity
from deepcollapse.ufm.permutation import aligned

__all__ = ["NEWTON_LIMIT", "Stability", "Undecided", "endpoint_stability", "stabilities"]

NEWTON_LIMIT = 1000
"""Most unknowns 2 K r of a critical point without a name that is solved for; seconds each at this size."""

Undecided = Literal["not critical", "relu", "too large"]
"""Why an endpoint has no answer: it is not near a critical point; a ReLU network has no Hessian at a kink and no
reduction to width r elsewhere; the dense problem of width r is above ``NEWTON_LIMIT`` or ``DENSE_LIMIT``."""


@dataclass(frozen=True, slots=True)
class Stability:
    """The Hessian of F in all factors at the critical point that an endpoint is at.

    Attributes:
        positive_semidefinite: whether no eigenvalue is below -1e-6 decay; None where it is undecided.
        verdict: "strict saddle", "Morse-Bott minimum" or "degenerate", see ``Spectrum.verdict``.
        least_eigenvalue: the smallest of all; 0 at a minimum with frames to turn.
        negative_eigenvalues: how many are below -1e-6 decay.
        distance: relative distance ||Z - C|| / ||C|| of the endpoint's class logits from the critical point's (for
            C = 0 relative to the identity); None where no point was solved for.
        undecided: why there is no answer, None where there is one.
    """

    positive_semidefinite: bool | None
    verdict: str | None
    least_eigenvalue: float | None
    negative_eigenvalues: int | None
    distance: float | None
    undecided: Undecided | None

    def as_json(self) -> dict[str, bool | int | float | str | None]:
        """The attributes by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def endpoint_stability(verdict: Verdict, problem: Problem) -> Stability:
    """Whether the Hessian is positive semidefinite at the critical point beside an endpoint.

    At the endpoint itself the question has no answer: its exact zero eigenvalues (the turns of the frames) are off by
    about its gradient norm in either sense. So the critical point is found first, the structure of the endpoint's name
    or, without a name, by Newton's method on class logits of its rank, which goes to saddles as well as to minima. The
    endpoint counts as being there if its logits agree within ``LOGITS_RTOL`` and its loss within ``LOSS_RTOL``; equal
    losses also imply balanced factors and equal columns within classes. All critical points of a linear model are
    balanced, so ``balanced_spectrum`` holds their Hessian of width d in a problem of width r.

    This is not ``StationaryPoint.minimum``, which asks for a minimum of F over logits of any rank. For M >= 3 factors
    the two agree up to degenerate points, since a further singular value costs at second order in the factors and gains
    at order M. For M = 2 they differ at width r, where no further one fits.

    Args:
        verdict: from ``classify``.
        problem: the model.

    >>> from deepcollapse.simulate.classify import classify
    >>> from deepcollapse.ufm import balanced_factors, structure
    >>> problem = Problem(classes=5, layers=2)
    >>> ends = [balanced_factors(structure(name, problem).logits, problem) for name in ("dnc", "partition-2-3")]
    >>> [endpoint_stability(classify(end, problem), problem).negative_eigenvalues for end in ends]
    [0, 2]
    """
    return stabilities([verdict], problem)[0]


def stabilities(verdicts: Sequence[Verdict], problem: Problem) -> tuple[Stability, ...]:
    """``endpoint_stability`` of many endpoints of one problem, in their order.

    Endpoints of one name share a spectrum. One without a name costs O((2 K r)^3) for each of up to 8 Newton steps and
    O((2 K r + (L-1) r^2)^3) for its spectrum: tenths of a second at K = 10.
    """
    if problem.activation == "relu" and problem.layers > 1:
        return (_no_answer("relu"),) * len(verdicts)
    linear = problem.replace(activation="linear")  # one layer has nothing to rectify
    known = dict(nameable(linear))

    @cache
    def spectrum_of(name: str) -> Spectrum:
        return structure_spectrum(known[name], linear)

    found = []
    for verdict in verdicts:
        point = _named_point(verdict, known) or _solved_point(verdict, linear)
        if point is None:
            found.append(_no_answer("too large"))
        elif not point.is_beside(verdict, linear):
            found.append(_no_answer("not critical", distance=point.distance))
        else:
            found.append(_stability(point, linear, spectrum_of=spectrum_of))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Point:
    """A critical point in the class order of the endpoint, its name if it has one, and the relative distance."""

    logits: Float[np.ndarray, "K K"]
    name: str | None
    distance: float

    def is_beside(self, verdict: Verdict, problem: Problem) -> bool:
        """Whether it is critical to rounding, and logits and loss of the endpoint are its own."""
        loss = logits_objective(self.logits, problem)
        same = self.distance <= LOGITS_RTOL and abs(verdict.loss - loss) <= LOSS_RTOL * loss
        return same and (self.name is not None or stationarity(self.logits, problem) <= CRITICAL)


def _named_point(verdict: Verdict, known: Mapping[str, Structure]) -> _Point | None:
    """The structure of the endpoint's name; None if it has none, or none of this scale."""
    if verdict.structure not in known:
        return None
    logits, target = verdict.reading.logits, known[verdict.structure].logits
    order = np.arange(len(target)) if not target.any() else aligned(logits, target, rtol=LOGITS_RTOL)
    if order is None:
        return None
    point = np.empty_like(target)
    point[np.ix_(order, order)] = target
    return _Point(point, verdict.structure, _distance(logits, point))


def _solved_point(verdict: Verdict, problem: Problem) -> _Point | None:
    """What Newton's method finds from the endpoint's logits at their rank; None where it is too large to try."""
    if 2 * problem.classes * verdict.rank > NEWTON_LIMIT:
        return None
    logits, manifold = verdict.reading.logits, FixedRank(problem, verdict.rank)
    point = manifold.logits(manifold.refined(split(logits, problem, rank=verdict.rank)))
    return _Point(point, None, _distance(logits, point))


def _distance(logits: Float[np.ndarray, "K K"], target: Float[np.ndarray, "K K"]) -> float:
    size = np.linalg.norm(target)
    return float(np.linalg.norm(logits - target) / (size if size > 0 else np.sqrt(len(target))))


def _stability(point: _Point, problem: Problem, *, spectrum_of: Callable[[str], Spectrum]) -> Stability:
    try:
        spectrum = spectrum_of(point.name) if point.name else balanced_spectrum(point.logits, problem)
    except TooLargeError:
        return _no_answer("too large", distance=point.distance)
    return Stability(
        positive_semidefinite=spectrum.positive_semidefinite,
        verdict=spectrum.verdict,
        least_eigenvalue=spectrum.minimum,
        negative_eigenvalues=spectrum.negative,
        distance=point.distance,
        undecided=None,
    )


def _no_answer(reason: Undecided, *, distance: float | None = None) -> Stability:
    return Stability(None, None, None, None, distance, reason)
