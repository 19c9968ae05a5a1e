"""Linear models whose hidden weights start as multiples of orthogonal matrices, trained exactly at a small width.

Let W_l = c_l O_l with O_l orthogonal for l = 1..L-1, let V_1 be a space of p = N + K dimensions that contains the
columns of H_1 and the rows of W_L O_{L-1} ... O_1, and V_{l+1} = O_l V_l. Every layer's inputs lie in V_l and every
gradient that comes back lies in V_{l+1}, so gradient descent moves W_l only as a map from V_l to V_{l+1}; off V_l it
stays c_l(t) O_l with c_l(t + 1) = (1 - lr decay_l) c_l(t). With orthonormal bases Q_1 and Q_{l+1} = O_l Q_l the run is
that of a model of width p + 1,

    H_1' = [Q_1^T H_1; 0],   W_l' = diag(Q_{l+1}^T W_l Q_l, c_l sqrt(d - p)),   W_L' = [W_L Q_L, 0],

whose last coordinate no sample reaches: there the data gradient is zero, and loss, gradient norm and weight decay are
those of the part off V_l. At the start Q_{l+1}^T W_l Q_l = c_l I. For L = 1 there is no such part, and the width is p.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from deepcollapse.simulate.engine import Descent, Endpoint, Engine, Progress, Report, Start
from deepcollapse.ufm import Factors, Problem
from deepcollapse.ufm.network import expect_factors

__all__ = ["OrthogonalReduction", "reduced_problem"]

_RTOL = 1e-13
"""Largest ||O^T O - I|| / sqrt(d) of an orthogonal matrix.

Householder QR and products of a few such matrices leave up to 4e-15 at d = 1000. A start this far from a qualifying one
differs by 450 roundings per entry in the root mean square, as much as a descent of 10^5 steps loses to rounding."""


def reduced_problem(problem: Problem) -> Problem:
    """The problem that a qualifying start is trained in: width N + K + 1 (N + K for L = 1).

    The problem itself where that is not narrower, or under ReLU (with L >= 2: one layer has nothing to rectify).

    >>> reduced_problem(Problem(classes=10, layers=2, samples=3, width=140)).d
    41
    """
    tail = problem.layers > 1  # a coordinate for the part off V_l
    width = problem.total_samples + problem.classes + tail
    rectified = problem.activation == "relu" and problem.layers > 1
    return problem if rectified or problem.d <= width else problem.replace(width=width)


@dataclass(frozen=True, slots=True)
class OrthogonalReduction:
    """Any engine, with starts whose hidden weights are multiples of orthogonal matrices trained at a small width.

    Loss, gradient norm, steps and status are those of the full run up to rounding, and the endpoints are lifted back to
    the full width. Which starts qualify is read off their factors; without hidden weights (L = 1) all do. The others,
    and all starts of a problem that ``reduced_problem`` leaves as it is, go to the inner engine as they are.

    Consecutive starts of the same kind share a call of the inner engine. Memory beside the inner engine's: for every
    seed under way its hidden weights and (L - 1) d^2 + L d (N + K) numbers to lift with, in float64. The inner engine
    has more of the narrow models under way than it would have of the wide ones; limit it (``TorchEngine.chunk``) where
    that is too much.

    Args:
        inner: the engine that takes the steps.

    >>> from deepcollapse.simulate import TorchEngine, descent
    >>> from deepcollapse.simulate.initialise import Initialisation
    >>> problem = Problem(classes=3, layers=2, width=100, decay=0.02)
    >>> starts = Initialisation("orthogonal").starts(problem, range(2))
    >>> ends = OrthogonalReduction(TorchEngine()).train(problem, starts, descent=descent(problem, 1.0))
    >>> [(end.status, end.factors[1].shape) for end in ends]
    [('converged', (100, 100)), ('converged', (100, 100))]
    """

    inner: Engine

    @property
    def name(self) -> str:
        """The inner engine's, and that it may run at a smaller width."""
        return f"{self.inner.name}, orthogonal starts reduced"

    def train(
        self, problem: Problem, starts: Iterable[Start], *, descent: Descent, report: Report | None = None
    ) -> Iterator[Endpoint]:
        """Run every start to its end; see ``Engine.train``."""
        if reduced_problem(problem) == problem:
            yield from self.inner.train(problem, starts, descent=descent, report=report)
            return
        total = _Total(report)
        framed = ((start, _frames(start[1], problem)) for start in starts)
        for qualifies, stretch in itertools.groupby(framed, key=lambda pair: pair[1] is not None):
            if qualifies:
                pairs = ((start, frames) for start, frames in stretch if frames is not None)
                yield from self._reduced(problem, pairs, descent=descent, report=total.add)
            else:
                same = (start for start, _ in stretch)
                yield from self.inner.train(problem, same, descent=descent, report=total.add)
            total.close()

    def _reduced(
        self, problem: Problem, stretch: Iterable[tuple[Start, "_Frames"]], *, descent: Descent, report: Report
    ) -> Iterator[Endpoint]:
        """Qualifying starts, numbered for the inner engine, so that a seed may come twice."""
        running: dict[int, tuple[int, _Frames]] = {}

        def narrow() -> Iterator[Start]:
            for number, ((seed, factors), frames) in enumerate(stretch):
                running[number] = seed, frames
                yield number, frames.reduced(factors)

        for end in self.inner.train(reduced_problem(problem), narrow(), descent=descent, report=report):
            seed, frames = running.pop(end.seed)
            factors = None if end.factors is None else frames.lifted(end.factors)
            yield replace(end, seed=seed, factors=factors)


@dataclass(frozen=True, slots=True)
class _Frames:
    """What leads from a qualifying start to the narrow model and back.

    Attributes:
        bases: Q_1, ..., Q_L.
        maps: O_1, ..., O_{L-1}.
        sizes: c_1, ..., c_{L-1} at the start.
    """

    bases: tuple[Float[np.ndarray, "d p"], ...]
    maps: tuple[Float[np.ndarray, "d d"], ...]
    sizes: tuple[float, ...]

    def reduced(self, factors: Factors) -> Factors:
        """H_1', W_1', ..., W_L' at the start."""
        span, tail = self.bases[0].shape[1], len(self.maps) > 0
        ends = np.append(np.ones(span), self._tail_norm)
        features = np.pad(self.bases[0].T @ factors[0], ((0, tail), (0, 0)))
        output = np.pad(factors[-1] @ self.bases[-1], ((0, 0), (0, tail)))
        return (features, *(size * np.diag(ends) for size in self.sizes), output)

    def lifted(self, factors: Factors) -> Factors:
        """H_1, W_1, ..., W_L of the full width."""
        features, *hidden, output = factors
        span = self.bases[0].shape[1]
        full = [self.bases[0] @ features[:span]]
        for l, weight in enumerate(hidden):
            size = weight[span, span] / self._tail_norm
            moved = weight[:span, :span] - size * np.eye(span)
            full.append(size * self.maps[l] + self.bases[l + 1] @ moved @ self.bases[l].T)
        return (*full, output[:, :span] @ self.bases[-1].T)

    @property
    def _tail_norm(self) -> float:
        """sqrt(d - p), the Frobenius norm of the identity off V_l."""
        width, span = self.bases[0].shape
        return float(np.sqrt(width - span))


class _Total:
    """Progress over several calls of the inner engine, each of which counts from zero."""

    def __init__(self, report: Report | None) -> None:
        self._report, self._before, self._last = report, _NOTHING, _NOTHING

    def add(self, progress: Progress) -> None:
        self._last = progress
        if self._report:
            self._report(_sum(self._before, progress))

    def close(self) -> None:
        """The current call is over."""
        self._before, self._last = _sum(self._before, self._last), _NOTHING


_NOTHING = Progress(0, 0, 0, 0, 0)


def _sum(one: Progress, other: Progress) -> Progress:
    return Progress(
        converged=one.converged + other.converged,
        not_converged=one.not_converged + other.not_converged,
        diverged=one.diverged + other.diverged,
        running=one.running + other.running,
        steps=one.steps + other.steps,
    )


def _frames(factors: Factors, problem: Problem) -> _Frames | None:
    """None for a start that does not qualify."""
    expect_factors(factors, problem)
    features, *hidden, output = factors
    with np.errstate(over="ignore"):  # too large to square: such a start diverges at any width
        sizes = tuple(float(np.linalg.norm(weight)) / np.sqrt(problem.d) for weight in hidden)
    if not all(0 < size < np.inf for size in sizes):
        return None
    maps = tuple(weight / size for weight, size in zip(hidden, sizes, strict=True))
    if not all(map(_orthogonal, maps)):
        return None
    rows = output
    for map_ in reversed(maps):
        rows = rows @ map_
    # Householder QR keeps each column to rounding relative to its own length, dependent and zero columns included
    bases = [np.linalg.qr(np.hstack([features, rows.T]))[0]]
    for map_ in maps:
        bases.append(map_ @ bases[-1])
    return _Frames(tuple(bases), maps, sizes)


def _orthogonal(matrix: Float[np.ndarray, "d d"]) -> bool:
    size = matrix.shape[0]
    return bool(np.linalg.norm(matrix.T @ matrix - np.eye(size)) <= _RTOL * np.sqrt(size))
