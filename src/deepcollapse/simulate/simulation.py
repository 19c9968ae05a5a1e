"""Train an ensemble to convergence and name its endpoints."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from deepcollapse.errors import InvalidInputError, TooLargeError
from deepcollapse.polishing import near_rest
from deepcollapse.simulate.classify import classify, nameable
from deepcollapse.simulate.engine import DECIDED, Endpoint, Engine, Report, Status, descent
from deepcollapse.simulate.engine_plan import planned_engine
from deepcollapse.simulate.ensemble import Ensemble, Run
from deepcollapse.simulate.initialise import Initialisation
from deepcollapse.simulate.optimiser import Optimiser
from deepcollapse.ufm import Problem

__all__ = ["Ledger", "simulate"]

_SEEDS_MAX = 10**7  # every end is kept in memory

_SEEDS_MAX = 10**7  # every end is kept in memory


@runtime_checkable
class Ledger(Protocol):
    """Where ended runs are kept while a simulation goes on."""

    @property
    def ended(self) -> Mapping[int, Run | None]:
        """The run of each seed kept; None where it diverged."""
        ...

    def add(self, seed: int, run: Run | None) -> None:
        """Keep the end of a run."""
        ...


def simulate(
    problem: Problem,
    *,
    seeds: int | Sequence[int],
    lr: float,
    initialisation: Initialisation | str = "gaussian",
    tolerance: float | None = None,
    steps_max: int | None = None,
    optimiser: Optimiser | None = None,
    dtype: str = "float64",
    device: str = "cpu",
    engine: Engine | str = "auto",
    accelerate: str | None = None,
    kinks: bool = False,
    ledger: Ledger | None = None,
    progress: Report | None = None,
) -> Ensemble:
    """Train a model from every seed by full-batch gradient descent until it converges, and name the endpoints.

    A run that comes to the horizon without converging may have settled there, see ``Descent``. At kinks of a ReLU model
    runs seldom do: steps jump about a rest point that ``kinks`` finds.

    Ctrl-C ends the simulation early: what has ended by then is returned, the rest is listed in ``Ensemble.unfinished``.

    Args:
        problem: the model.
        seeds: how many (0, 1, ...), or which.
        lr: learning rate.
        initialisation: law of the starts, or its name; its scale is as decisive for the outcome as the width.
        tolerance: gradient norm at which a run has converged; None is the smaller of 1e-6 and decay / 1000.
        steps_max: horizon; None is 200 / (lr mu), see ``descent``.
        optimiser: None is plain gradient descent; ``Momentum`` and ``Adam`` are for torch engines.
        dtype: "float64" or "float32".
        device: a torch device.
        engine: "torch", "cpu" (the compiled kernel), "auto" for the faster one by ``engine_choice``, or an engine of
            your own; dtype and device are then its own.
        accelerate: "balance" goes on from balanced factors once the imbalance has died out, see
            ``BalanceAcceleration``; not exact, to be checked with ``audit``.
        kinks: look for the rest point next to each undecided end of a ReLU model (``polishing.near_rest``); where the
            logits are within 1 % of its own, the run has settled and the rest point is its end. Seconds a run at 1,000
            numbers in all factors; ends of more than ``polishing.LARGEST_END`` are left undecided.
        ledger: where ended runs are kept; those it holds already are not done again.
        progress: called with a ``Progress`` after each measurement.

    Raises:
        InvalidInputError: a setting out of range, or a seed given twice.

    Source: arXiv 2410.23169, Section 5 (which states neither its initialisation nor its stopping rule).

    >>> simulate(Problem(classes=3, layers=1, decay=0.05), seeds=2, lr=1.0).dnc().value
    1.0
    """
    numbers = _seed_numbers(seeds)
    rule = descent(problem, lr, tolerance=tolerance, steps_max=steps_max, optimiser=optimiser)
    law = Initialisation(initialisation) if isinstance(initialisation, str) else initialisation
    kept = {seed: ledger.ended[seed] for seed in numbers if seed in ledger.ended} if ledger else {}
    ended, starts = dict(kept), law.starts(problem, [seed for seed in numbers if seed not in kept])
    plan = {"seeds": len(numbers), "initialisation": law, "optimiser": rule.optimiser, "accelerate": accelerate}
    trainer = planned_engine(problem, engine, **plan, dtype=dtype, device=device).engine
    begin = time.perf_counter()
    try:
        ends = trainer.train(problem, starts, descent=rule, report=progress)
        for seed, run in _runs((_at_rest(end, problem) for end in ends) if kinks else ends, problem):
            ended[seed] = run
            if ledger:
                ledger.add(seed, run)
    except KeyboardInterrupt:
        pass
    seconds = time.perf_counter() - begin
    return Ensemble(
        problem=problem,
        descent=rule,
        initialisation=law,
        finished=tuple(run for _, run in sorted(ended.items()) if run),
        diverged=tuple(seed for seed, run in sorted(ended.items()) if run is None),
        unfinished=tuple(sorted(set(numbers) - set(ended))),
        kept=tuple(sorted(kept)),
        engine=trainer.name,
        seconds=seconds,
    )


def _at_rest(end: Endpoint, problem: Problem) -> Endpoint:
    """The end, or the rest point on kinks about which an undecided run of a ReLU model jumps."""
    rectified = problem.activation == "relu" and problem.layers > 1
    if not rectified or end.factors is None or end.status in DECIDED:
        return end
    try:
        found = near_rest(end.factors, problem)
    except TooLargeError:
        return end
    return replace(end, status="settled", factors=found.factors) if found.decided else end


def _runs(endpoints: Iterable[Endpoint], problem: Problem) -> Iterator[tuple[int, Run | None]]:
    """Seeds with their classified ends; None for a run that diverged."""
    known = nameable(problem)
    for end in endpoints:
        if end.factors is None:
            yield end.seed, None
            continue
        verdict = classify(end.factors, problem, known=known)
        status: Status = "zero" if end.status in DECIDED and verdict.rank == 0 else end.status
        yield (
            end.seed,
            Run(
                seed=end.seed,
                converged=end.status == "converged",
                status=status,
                steps=end.steps,
                gradient_norm=end.gradient_norm,
                verdict=verdict,
            ),
        )


def _seed_numbers(seeds: int | Sequence[int]) -> Sequence[int]:
    if isinstance(seeds, int) and seeds > _SEEDS_MAX:
        raise InvalidInputError(f"seeds: expected at most {_SEEDS_MAX}, but found {seeds}; run fewer")
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    if len(numbers) == 0:
        raise InvalidInputError(
            f"seeds: expected at least one, but found {seeds!r}; give a number >= 1 or a list of seeds"
        )
    if len(set(numbers)) != len(numbers):
        twice = next(seed for seed, count in Counter(numbers).items() if count > 1)
        raise InvalidInputError(
            f"seeds: expected each seed once, but found {twice} again; a repeated run is no independent run"
        )
    for seed in numbers:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
            raise InvalidInputError(
                f"seeds: expected whole numbers >= 0 (below 2^63), but found {seed!r}; count from 0"
            )
    return numbers
