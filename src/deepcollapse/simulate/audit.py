"""How often an accelerated ensemble ends elsewhere than full descent, from a random sample of its seeds."""

from dataclasses import dataclass

import numpy as np

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.balance_acceleration import BalanceAcceleration
from deepcollapse.simulate.classify import LOSS_RTOL
from deepcollapse.simulate.engine import Engine, Report
from deepcollapse.simulate.ensemble import Ensemble
from deepcollapse.simulate.rate import Rate, rate
from deepcollapse.simulate.simulation import simulate

__all__ = ["Audit", "Comparison", "audit"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One seed run both ways.

    Attributes:
        seed: of the start.
        accelerated: name of the endpoint, or the status of a run that is undecided.
        full: the same under full descent.
        agrees: whether both ends have the same name and the same loss up to ``LOSS_RTOL``, which tells points without
            a name apart that have the same rank; None where one of the runs is undecided.
    """

    seed: int
    accelerated: str
    full: str
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """An ensemble against full descent from some of its seeds.

    Attributes:
        comparisons: by seed.
        confidence: of the interval.
        accelerated: the engine of the ensemble.
        full: the engine of full descent.
        seconds: wall time of full descent.
    """

    comparisons: tuple[Comparison, ...]
    confidence: float
    accelerated: str
    full: str
    seconds: float

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that were drawn."""
        return tuple(pair.seed for pair in self.comparisons)

    @property
    def comparable(self) -> int:
        """Number of seeds from which both runs are decided."""
        return len(self.comparisons) - len(self.not_comparable)

    @property
    def not_comparable(self) -> tuple[Comparison, ...]:
        """Seeds from which a run is undecided; they leave room in the interval."""
        return tuple(pair for pair in self.comparisons if pair.agrees is None)

    @property
    def disagreements(self) -> tuple[Comparison, ...]:
        """Seeds from which both runs are decided, at different endpoints."""
        return tuple(pair for pair in self.comparisons if pair.agrees is False)

    def disagreement(self) -> Rate:
        """Share of the seeds that disagree, with the interval of Clopper and Pearson.

        With no disagreement among m comparable seeds its upper end is 1 - (alpha / 2)^(1/m), about 3.7 / m at 95%.
        """
        return rate(
            len(self.disagreements),
            len(self.comparisons),
            undecided=len(self.not_comparable),
            method="exact",
            confidence=self.confidence,
        )

    def as_json(self) -> dict[str, object]:
        """Counts, rate and every seed in plain types."""
        return {
            "audited": len(self.comparisons),
            "comparable": self.comparable,
            "not_comparable": len(self.not_comparable),
            "disagreement": self.disagreement().as_json() | {"confidence": self.confidence},
            "runs": [
                {"seed": pair.seed, "accelerated": pair.accelerated, "full": pair.full, "agrees": pair.agrees}
                for pair in self.comparisons
            ],
            "accelerated_engine": self.accelerated,
            "full_engine": self.full,
            "seconds": self.seconds,
        }


def audit(
    ensemble: Ensemble,
    engine: Engine,
    *,
    size: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
    progress: Report | None = None,
) -> Audit:
    """Run full descent from a random sample of an accelerated ensemble's seeds, and compare where the runs end.

    The sample is drawn without replacement from the seeds whose accelerated run has an end, diverged ones included.
    Only full descent is run; the accelerated runs are the ensemble's.

    Args:
        ensemble: the accelerated runs, from ``simulate``.
        engine: trains at full width, without acceleration.
        size: how many seeds.
        generator: draws them.
        confidence: of the interval.
        progress: called with a ``Progress`` after each measurement.

    Raises:
        InvalidInputError: a size the ensemble cannot give, a confidence outside (0, 1), an engine that accelerates.

    >>> from deepcollapse.simulate import TorchEngine
    >>> from deepcollapse.ufm import Problem
    >>> fast = BalanceAcceleration(TorchEngine())
    >>> ensemble = simulate(Problem(classes=3, layers=1, width=6, decay=0.05), seeds=4, lr=1.0, engine=fast)
    >>> audit(ensemble, TorchEngine(), size=2, generator=np.random.default_rng(0)).disagreement().count
    0
    """
    ended = sorted((*ensemble.seeds.tolist(), *ensemble.diverged))
    _expect_audit(engine, size=size, available=len(ended), confidence=confidence)
    seeds = sorted(int(seed) for seed in generator.choice(ended, size=size, replace=False))
    rule = ensemble.descent
    full = simulate(
        ensemble.problem,
        seeds=seeds,
        lr=rule.lr,
        initialisation=ensemble.initialisation,
        tolerance=rule.tolerance,
        steps_max=rule.steps_max,
        engine=engine,
        progress=progress,
    )
    here, there = _ends(ensemble), _ends(full)
    return Audit(
        comparisons=tuple(_compared(seed, here[seed], there[seed]) for seed in seeds),
        confidence=confidence,
        accelerated=ensemble.engine,
        full=full.engine,
        seconds=full.seconds,
    )


_End = tuple[str, float | None]
"""Name and, where the run is decided, loss; else the status."""


def _ends(ensemble: Ensemble) -> dict[int, _End]:
    finished = {
        run.seed: (run.verdict.structure, run.verdict.loss) if run.decided else (run.status, None)
        for run in ensemble.finished
    }
    lost: dict[int, _End] = dict.fromkeys(ensemble.diverged, ("diverged", None))
    return finished | lost | dict.fromkeys(ensemble.unfinished, ("interrupted", None))


def _compared(seed: int, accelerated: _End, full: _End) -> Comparison:
    (here, loss), (there, other) = accelerated, full
    if loss is None or other is None:
        return Comparison(seed, here, there, agrees=None)
    agrees = here == there and abs(loss - other) <= LOSS_RTOL * abs(other)
    return Comparison(seed, here, there, agrees=agrees)


def _expect_audit(engine: Engine, *, size: int, available: int, confidence: float) -> None:
    """Before an expensive run, not after it."""
    if isinstance(engine, BalanceAcceleration):
        raise InvalidInputError(
            f"engine: expected one of full descent, but found {engine.name!r}; take its inner engine"
        )
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= available:
        raise InvalidInputError(
            f"size: expected a whole number from 1 to {available}, the runs with an end, but found {size!r}; "
            "audit fewer or simulate more"
        )
    rate(0, 1, method="exact", confidence=confidence)
