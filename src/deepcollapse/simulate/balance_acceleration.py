"""Gradient descent that leaves the width behind once the imbalance of the factors has died out."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.engine import Descent, Endpoint, Engine, Progress, Report, Start, Status
from deepcollapse.simulate.engine import progress as counted
from deepcollapse.simulate.optimiser import expect_gradient_descent
from deepcollapse.ufm import Factors, Problem, factor_shapes, forward

__all__ = ["BalanceAcceleration", "balanced_problem", "balanced_projection", "lifted"]


@dataclass(frozen=True, slots=True)
class BalanceAcceleration:
    """Gradient descent at width d for t_0 steps, then at width r = min(d, K) from the balanced factors of the same Z.

    A step multiplies the imbalance A_{l+1}^T A_{l+1} - A_l A_l^T of adjacent factors by (1 - lr decay)^2, and adds
    lr^2 times a difference of squared data gradients. Without imbalance, every factor keeps to the r singular
    directions of Z, the other d - r are zero and stay so, and descent at width r takes the same steps as at width d. So
    t_0 = ln(1 / imbalance) / (2 lr decay), rounded up, leaves the given share of the initial imbalance, which the
    projection drops. The products of a later step cost r / d of an earlier one's or less; the softmax costs the same.

    This is an approximation: the path after t_0 is another one, and a run that passes near the boundary of two basins
    may end in the other. Measured at K = 10, L = 2, n = 1, decay 2^-10, lr 0.5, d = 70 (endpoints changed of those
    compared): none of 96 at shares up to 0.5, 5 at 0.8; with ``init_scale`` 2 none of 64 at shares up to 0.2, 4 at 0.3,
    11 at 0.5. The share speaks of the start only, so a larger start leaves more behind, and where lr is near divergence
    the lr^2 term keeps imbalance alive. ``audit`` counts what changed.

    A run that converges or diverges within t_0 steps is final; where t_0 is the horizon or beyond, nothing is
    projected. The steps of both legs add up, and the gradient norm is the full model's: at a zero-padded point both
    models have the same gradient. The second leg draws its starts from the first as it has room, so both batches are
    all the memory there is: the first engine's, and the second's with K (r L + N) numbers a run. An interrupt within
    the first leg loses the runs whose second leg ended in the block before.

    Args:
        inner: trains at full width.
        imbalance: share of the initial imbalance at which to project, between 0 and 1.
        reduced: trains at width r; None is ``inner``.

    Raises:
        InvalidInputError: a share outside (0, 1); from ``train``: a ReLU model, decays that differ, momentum
            or Adam.

    >>> from deepcollapse.simulate.torch_engine import TorchEngine
    >>> BalanceAcceleration(TorchEngine(), 0.1).switch_step(Problem(classes=10, layers=2, decay=2.0**-10), lr=0.5)
    2358
    """

    inner: Engine
    imbalance: float = 0.1
    reduced: Engine | None = None

    def __post_init__(self) -> None:
        share = self.imbalance
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise InvalidInputError(
                f"imbalance: expected a share between 0 and 1, but found {share!r}; leave it out for the default"
            )

    @property
    def name(self) -> str:
        """The engines, and where the second leg begins."""
        legs = self.inner.name if self.reduced is None else f"{self.inner.name}, then {self.reduced.name}"
        return f"{legs}; balanced at imbalance {self.imbalance:g}"

    def switch_step(self, problem: Problem, *, lr: float) -> int:
        """t_0, the steps taken at full width.

        Raises:
            InvalidInputError: a model whose imbalance does not die out.
        """
        _expect_balance(problem)
        return math.ceil(-math.log(self.imbalance) / (2.0 * lr * problem.mean_decay))

    def train(
        self, problem: Problem, starts: Iterable[Start], *, descent: Descent, report: Report | None = None
    ) -> Iterator[Endpoint]:
        """Run every start to its end; see ``Engine.train``."""
        expect_gradient_descent(descent.optimiser, of="the balanced projection", remedy="train without acceleration")
        steps = self.switch_step(problem, lr=descent.lr)
        if steps >= descent.steps_max:
            return self.inner.train(problem, starts, descent=descent, report=report)
        first = replace(descent, steps_max=steps, window=None)  # what is left of the imbalance goes on
        legs = first, replace(descent, steps_max=descent.steps_max - steps)
        return self._legs(problem, starts, legs=legs, tally=_Tally(report))

    def _legs(
        self, problem: Problem, starts: Iterable[Start], *, legs: tuple[Descent, Descent], tally: "_Tally"
    ) -> Iterator[Endpoint]:
        final: deque[Endpoint] = deque()
        first = self.inner.train(problem, tally.begun(starts), descent=legs[0], report=tally.leg(0))
        between = _projected((tally.ended(end, of=0) for end in first), problem, final=final)
        engine = self.inner if self.reduced is None else self.reduced
        second = engine.train(balanced_problem(problem), between, descent=legs[1], report=tally.leg(1))
        try:
            for end in second:
                yield from _drained(final)
                factors = None if end.factors is None else lifted(end.factors, problem)
                yield replace(tally.ended(end, of=1), steps=legs[0].steps_max + end.steps, factors=factors)
        except KeyboardInterrupt:
            yield from _drained(final)
            raise
        yield from _drained(final)


def balanced_problem(problem: Problem) -> Problem:
    """The same model at width r = min(d, K), enough for logits of any rank that width d allows.

    >>> balanced_problem(Problem(classes=4, layers=2, width=70)).d
    4
    """
    return problem.replace(width=min(problem.d, problem.classes))


def balanced_projection(factors: Factors, problem: Problem) -> Factors:
    """The cheapest factors of width r = min(d, K) with the same logits, for one decay shared by all factors.

    With Z = U S V^T (K x N, r singular values): H_1 = S^(1/M) V^T, W_l = S^(1/M), W_L = U S^(1/M). Their decay cost is
    the Schatten penalty of Z, so their loss is at most that of the given factors. Differs from ``balanced_factors`` in
    that samples of a class may have different logits.

    Source: arXiv 2410.23169, Lemma 1 and Section 2.

    >>> from deepcollapse.ufm import gaussian_factors
    >>> problem = Problem(classes=3, layers=2, width=8)
    >>> [a.shape for a in balanced_projection(gaussian_factors(problem, np.random.default_rng(0)), problem)]
    [(3, 3), (3, 3), (3, 3)]
    """
    u, s, vt = np.linalg.svd(forward(factors, problem), full_matrices=False)
    width = min(problem.d, problem.classes)
    # Nothing is cut off as rounding noise: a direction set to zero could never leave a saddle again.
    shared = s[:width] ** (1.0 / problem.factors)
    return (shared[:, None] * vt[:width], *(np.diag(shared),) * (problem.layers - 1), u[:, :width] * shared)


def lifted(factors: Factors, problem: Problem) -> Factors:
    """Factors of a smaller width with zeros added up to width d; logits, loss and gradient norm stay.

    >>> [a.tolist() for a in lifted((np.eye(1, 2), np.ones((2, 1))), Problem(classes=2, layers=1, width=2))]
    [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]]
    """
    room = tuple(np.zeros(shape) for shape in factor_shapes(problem))
    for target, factor in zip(room, factors, strict=True):
        target[: factor.shape[0], : factor.shape[1]] = factor
    return room


def _projected(ends: Iterable[Endpoint], problem: Problem, *, final: deque[Endpoint]) -> Iterator[Start]:
    """The runs that go on, projected; the others are put aside."""
    for end in ends:
        if end.status == "not converged" and end.factors is not None:
            yield end.seed, balanced_projection(end.factors, problem)
        else:
            final.append(end)


def _drained(ends: deque[Endpoint]) -> Iterator[Endpoint]:
    while ends:
        yield ends.popleft()


class _Tally:
    """Counts over both legs: a run that passes from the first to the second is one run, still running."""

    def __init__(self, report: Report | None) -> None:
        self._report, self._begun, self._ends, self._steps = report, 0, Counter[Status](), [0, 0]

    def begun(self, starts: Iterable[Start]) -> Iterator[Start]:
        for start in starts:
            self._begun += 1
            yield start

    def ended(self, end: Endpoint, *, of: int) -> Endpoint:
        if of == 1 or end.status != "not converged":
            self._ends[end.status] += 1
        return end

    def leg(self, index: int) -> Report | None:
        """What an engine is to call: its own steps become part of the sum."""
        if self._report is None:
            return None

        def passed_on(progress: Progress, report: Report = self._report) -> None:
            self._steps[index] = progress.steps
            report(counted(self._ends, running=self._begun - self._ends.total(), steps=sum(self._steps)))

        return passed_on


def _expect_balance(problem: Problem) -> None:
    if problem.activation == "relu":
        raise InvalidInputError(
            'activation: expected "linear", but found "relu"; balance is no manifold that ReLU descent keeps to: '
            "train without acceleration"
        )
    if len(set(problem.factor_decays)) > 1:
        raise InvalidInputError(
            f"decay: expected one for all factors, but found {problem.decay}; with several the imbalance follows the "
            "data gradient instead of dying out: train without acceleration"
        )
