"""Starts of gradient descent: factors drawn from the run's seed alone."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.linalg import haar_frame
from deepcollapse.simulate.classify import nameable
from deepcollapse.simulate.engine import Start
from deepcollapse.ufm import Factors, Problem, balanced_factors, factor_shapes, gaussian_factors, structure

__all__ = ["Initialisation", "gaussian", "gaussian_starts"]

_NEAR = "near-"


@dataclass(frozen=True, slots=True)
class Initialisation:
    """The law of the initial factors, drawn in float64 on the CPU.

    Each seed has its own PCG64 stream, so a run is the same on any device, in any batch and next to any other seeds.
    With s the scale, M = L + 1 the number of factors and d the width, which is the fan-in of every weight:

    - "gaussian": N(0, s^2 / d) entries in every factor; see ``gaussian``.
    - "pytorch": weights uniform on +-s / sqrt(d), the default of ``torch.nn.Linear`` at s = 1 (a third of the variance
      of "gaussian"). The features H_1 have no counterpart there and are those of "gaussian" at the same seed.
    - "orthogonal": W_1..W_{L-1} are s times Haar-random orthogonal matrices; H_1 and W_L are s times Haar-random
      semi-orthogonal ones, orthonormal along their shorter side. For N <= d the columns of H_1 have length s, as those
      of "gaussian" have on average; for N > d, s sqrt(d / N).
    - "spectral": the logits are s^M G, G (K x N) with N(0, 1 / d) entries, second moments as with "gaussian". With
      G = U diag(g) V^T, r = min(K, N, d) and Haar-random orthonormal Q_l (d x r), H_1 = s Q_1 S V^T,
      W_l = s Q_{l+1} S Q_l^T, W_L = s U S Q_L^T, S = diag(g_1^(1/M), ..., g_r^(1/M)): adjacent factors share
      singular values and bases, whatever their decays. In a linear model they need no time to align with each other
      and keep aligned up to O(lr) (for equal decays); U and V have yet to turn towards the data. Below width K only
      the r largest singular values of G are kept. Under ReLU the factors have this law, the logits do not.
    - "near-dnc", "near-paired", "near-partition-2-8", "near-T5", ...: the balanced factors of that critical point (a
      name as in ``Verdict.structure``; "near-dnc" under class imbalance starts near the one-layer frame at its best
      scale, critical for L = 1 only) in Haar-random frames plus independent Gaussian entries of standard deviation
      distance ||A|| / sqrt(entries of A) in each factor A, so that the expected squared length of the perturbation is
      distance^2 ||A||^2. Linear models only: ReLU cuts the negative half of a balanced factor's features, so these
      factors are no critical points of a ReLU model, nor near any that is known.

    The scale decides as much as the width about where gradient descent ends.

    Args:
        kind: one of the above.
        scale: s > 0; a critical point has a scale of its own, so leave it at 1 for "near-...".
        distance: > 0, for "near-..." and only there.

    Raises:
        InvalidInputError: unknown kind, scale or distance out of range or without a meaning for the kind.

    >>> [factor.shape for factor in Initialisation("orthogonal").factors(Problem(classes=3, layers=2), seed=0)]
    [(3, 3), (3, 3), (3, 3)]
    """

    kind: str = "gaussian"
    scale: float = 1.0
    distance: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in _LAWS and not self._near:
            raise InvalidInputError(
                f"init: expected {', '.join(_LAWS)} or {_NEAR}<structure>, but found {self.kind!r}; choose one of these"
            )
        _expect_positive("init_scale", self.scale, remedy="1 is usual, and from 0 nothing moves")
        if self._near:
            _expect_positive("init_distance", self.distance, remedy="0.1 changes each factor by a tenth of its length")
            if self.scale != 1:
                raise InvalidInputError(
                    f"init_scale: expected 1 for {self.kind}, but found {self.scale!r}; a critical point has its own "
                    "scale, set init_distance instead"
                )
        elif self.distance is not None:
            raise InvalidInputError(
                f"init_distance: expected none for {self.kind}, but found {self.distance!r}; only {_NEAR}<structure> "
                "starts at a distance from something"
            )

    @property
    def label(self) -> str:
        """Kind and size in words, for the record.

        >>> Initialisation("near-dnc", distance=0.1).label
        'near-dnc, distance 0.1'
        """
        return f"{self.kind}, distance {self.distance:g}" if self._near else f"{self.kind}, scale {self.scale:g}"

    def factors(self, problem: Problem, *, seed: int) -> Factors:
        """The factors of one seed.

        Raises:
            InvalidInputError: a negative seed; for "near-...", a ReLU problem, or a structure that is unknown, wider
                than the problem, no critical point, or zero.
            UndefinedError: for "near-...", a structure that does not exist at this decay.
        """
        return self._law(problem)(_generator(seed))

    def starts(self, problem: Problem, seeds: Iterable[int]) -> Iterator[Start]:
        """The seeds with their factors, each drawn when it is asked for.

        Raises:
            InvalidInputError: as ``factors``; what concerns the problem at once, a negative seed when its turn comes.
            UndefinedError: as ``factors``.
        """
        law = self._law(problem)
        return ((int(seed), law(_generator(seed))) for seed in seeds)

    @property
    def _near(self) -> bool:
        return self.kind.startswith(_NEAR)

    def _law(self, problem: Problem) -> Callable[[np.random.Generator], Factors]:
        if self.distance is None:
            return partial(_LAWS[self.kind], problem, scale=float(self.scale))
        return partial(_near_factors, problem, logits=_centre(self.kind, problem), distance=float(self.distance))


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
    return Initialisation(scale=scale).factors(problem, seed=seed)


def gaussian_starts(problem: Problem, seeds: Iterable[int], *, scale: float = 1.0) -> Iterator[Start]:
    """The seeds with their Gaussian factors, each drawn when it is asked for."""
    return Initialisation(scale=scale).starts(problem, seeds)


def _pytorch(problem: Problem, generator: np.random.Generator, *, scale: float) -> Factors:
    bound, (features, *weights) = scale / np.sqrt(problem.d), factor_shapes(problem)
    return (generator.normal(0.0, bound, features), *(generator.uniform(-bound, bound, shape) for shape in weights))


def _orthogonal(problem: Problem, generator: np.random.Generator, *, scale: float) -> Factors:
    return tuple(scale * haar_frame(*shape, generator=generator) for shape in factor_shapes(problem))


def _spectral(problem: Problem, generator: np.random.Generator, *, scale: float) -> Factors:
    logits = generator.normal(0.0, 1.0 / np.sqrt(problem.d), (problem.classes, problem.total_samples))
    u, values, vt = np.linalg.svd(logits, full_matrices=False)
    rank = min(values.size, problem.d)
    shared = scale * values[:rank] ** (1.0 / problem.factors)
    inner = [haar_frame(problem.d, rank, generator=generator) for _ in range(problem.layers)]
    bases = [vt[:rank].T, *inner, u[:, :rank]]
    return tuple((after * shared) @ before.T for before, after in itertools.pairwise(bases))


_LAWS: dict[str, Callable[..., Factors]] = {
    "gaussian": gaussian_factors,
    "pytorch": _pytorch,
    "orthogonal": _orthogonal,
    "spectral": _spectral,
}


def _near_factors(
    problem: Problem, generator: np.random.Generator, *, logits: Float[np.ndarray, "K K"], distance: float
) -> Factors:
    centre = balanced_factors(logits, problem, generator)
    sizes = (distance * np.linalg.norm(factor) / np.sqrt(factor.size) for factor in centre)
    return tuple(a + size * generator.standard_normal(a.shape) for a, size in zip(centre, sizes, strict=True))


def _centre(kind: str, problem: Problem) -> Float[np.ndarray, "K K"]:
    """Class logits of the structure a "near-..." start is near to."""
    if problem.activation == "relu" and problem.layers > 1:
        raise InvalidInputError(
            f"init: expected a linear problem for {kind}, but found activation 'relu'; the structures' factors are no "
            "critical points of a ReLU model, take another initialisation"
        )
    try:
        found = structure(kind.removeprefix(_NEAR), problem)
    except (InvalidInputError, UndefinedError) as error:
        raise type(error)(_unavailable(kind, problem, reason=str(error))) from None
    usable = found.critical or found.name == "one-layer-frame"
    if not usable or not 0 < found.rank <= problem.d:
        reason = f"rank {found.rank} at width {problem.d}" if usable else "no critical point of this problem"
        raise InvalidInputError(_unavailable(kind, problem, reason=reason))
    return found.logits


def _unavailable(kind: str, problem: Problem, *, reason: str) -> str:
    names = [_NEAR + name for name, known in nameable(problem) if known.rank]
    there = f"one of {', '.join(names)}" if names else "a problem with named structures"
    return f"init: expected {there}, but found {kind!r} ({reason}); choose one that exists, or another initialisation"


def _generator(seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(f"seed: expected a whole number >= 0, but found {seed!r}; count from 0")
    return np.random.Generator(np.random.PCG64(seed))


def _expect_positive(name: str, value: float | None, *, remedy: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInputError(f"{name}: expected a finite number > 0, but found {value!r}; {remedy}")
