"""How fast gradient descent settles: the slowest direction at the ends a linear model is expected to have."""

from collections.abc import Iterator
from functools import lru_cache

from deepcollapse.curvature.at_structure import structure_spectrum
from deepcollapse.curvature.spectrum import Spectrum
from deepcollapse.errors import UndefinedError
from deepcollapse.ufm import Problem, structure

__all__ = ["settling_rate"]

_ENDS = ("dnc", "paired")
_DENSE_PARAMETERS = 500  # a spectrum of this size takes tens of milliseconds


@lru_cache(maxsize=256)
def settling_rate(problem: Problem) -> float:
    """mu, the least positive Hessian eigenvalue at collapse and at pairs where these are minima; at most the decay.

    Near a minimum whose zero directions are those of its solution set, the distance from it and the gradient norm
    shrink like (1 - lr mu)^t under gradient descent, and the excess loss like the square, for lr below
    2 / (mu + largest eigenvalue). mu is the (least) decay where no such minimum has a softer direction: nothing else is
    known for a ReLU model, nor where the dense part of the spectrum has more than 500 parameters. Costs milliseconds.

    Args:
        problem: any.

    Source: derived.

    >>> problem = Problem(classes=10, layers=2, decay=2.0**-7)
    >>> round(settling_rate(problem) / problem.decay, 4), round(settling_rate(problem.replace(samples=5)) / 2.0**-7, 4)
    (0.6114, 0.4285)
    """
    linear = problem.activation == "linear" or problem.layers == 1
    minima = _minima(problem.replace(activation="linear")) if linear else ()
    return min([min(problem.factor_decays), *(spectrum.least_positive for spectrum in minima)])


def _minima(problem: Problem) -> Iterator[Spectrum]:
    """The spectra of those expected ends that exist, fit the width and have no negative eigenvalue."""
    for name in _ENDS:
        try:
            point = structure(name, problem)
        except UndefinedError:
            continue
        if not point.critical or point.rank > problem.d or not _cheap(point.name, point.rank, problem):
            continue
        spectrum = structure_spectrum(point, problem)
        if spectrum.positive_semidefinite:
            yield spectrum


def _cheap(name: str, rank: int, problem: Problem) -> bool:
    closed_form = name == "simplex" and problem.balanced and len(set(problem.factor_decays)) == 1
    dense = 2 * problem.classes * rank + (problem.layers - 1) * rank**2 <= _DENSE_PARAMETERS
    return dense or (closed_form and problem.loss == "ce")
