"""Starts of gradient descent: factors drawn from the run's seed alone."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.engine import Start
from deepcollapse.ufm import Factors, Problem, gaussian_factors

__all__ = ["gaussian", "gaussian_starts"]


def gaussian(problem: Problem, *, seed: int, scale: float = 1.0) -> Factors:
    """Independent N(0, scale^2 / d) entries in every factor, drawn in float64 on the CPU.

    For the weights d is the fan-in, so this is LeCun's initialisation times ``scale``; the features H_1 (d x N) have no
    fan-in and take the same 1/sqrt(d), which gives every column of H_1 length ``scale`` on average. The scale decides
    as much as the width about where gradient descent ends. Each seed has its own PCG64 stream, so a run is the same on
    any device, in any batch and next to any other seeds.

    Raises:
        InvalidInputError: a negative seed, or a scale that is not a finite number > 0.

    >>> [factor.shape for factor in gaussian(Problem(classes=3, layers=2, samples=2), seed=0)]
    [(3, 6), (3, 3), (3, 3)]
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(f"seed: expected a whole number >= 0, but found {seed!r}; count from 0")
    _expect_scale(scale)
    return gaussian_factors(problem, np.random.Generator(np.random.PCG64(seed)), scale=float(scale))


def gaussian_starts(problem: Problem, seeds: Iterable[int], *, scale: float = 1.0) -> Iterator[Start]:
    """The seeds with their Gaussian factors, each drawn when it is asked for."""
    _expect_scale(scale)
    return ((int(seed), gaussian(problem, seed=seed, scale=scale)) for seed in seeds)


def _expect_scale(scale: float) -> None:
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise InvalidInputError(
            f"init_scale: expected a finite number > 0, but found {scale!r}; 1 is usual, and from 0 nothing moves"
        )
