import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Initialisation, TorchEngine, simulate
from deepcollapse.simulate.audit import audit
from deepcollapse.simulate.balance_acceleration import BalanceAcceleration
from deepcollapse.ufm import Problem

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
MIXED = SMALL.replace(classes=5)  # at lr = 1 collapse converges in 700 steps, pairs in thousands
RUGGED = Problem(classes=6, layers=2, width=24, decay=2.0**-7)


class Recorder:
    """Full descent that keeps what it was given."""

    name = "recorder"

    def __init__(self):
        self.starts, self.rules = [], []

    def train(self, problem, starts, *, descent, report=None):
        self.starts += starts
        self.rules.append(descent)
        yield from TorchEngine().train(problem, self.starts, descent=descent, report=report)


def accelerated(problem, *, seeds, share=0.1, **settings):
    settings = {"lr": 1.0} | settings
    return simulate(problem, seeds=seeds, engine=BalanceAcceleration(TorchEngine(), share), **settings)


def generator(seed=0):
    return np.random.default_rng(seed)


def test_descent_from_the_drawn_seeds_only():
    ensemble, engine = accelerated(SMALL, seeds=[3, 40, 7, 12, 5, 9]), Recorder()
    found = audit(ensemble, engine, size=4, generator=generator())
    assert found.seeds == tuple(seed for seed, _ in engine.starts)
    assert set(found.seeds) < {3, 40, 7, 12, 5, 9}
    assert (len(found.seeds), found.comparable, found.disagreements, found.not_comparable) == (4, 4, (), ())
    assert {(pair.accelerated, pair.full, pair.agrees) for pair in found.comparisons} == {("dnc", "dnc", True)}
    assert (found.accelerated, found.full) == ("torch float64 cpu; balanced at imbalance 0.1", "recorder")


def test_the_generator_decides_which():
    ensemble, engine = accelerated(SMALL, seeds=8, steps_max=5), TorchEngine()
    drawn = [audit(ensemble, engine, size=4, generator=generator(seed)).seeds for seed in (0, 0, *range(1, 12))]
    assert drawn[0] == drawn[1]
    assert set().union(*drawn) == set(range(8))  # each is left out of all 12 with probability 2^-12
    assert audit(ensemble, engine, size=8, generator=generator()).seeds == tuple(range(8))


def test_too_early_a_projection_is_found_out():
    """The negative control: t_0 is one step."""
    ensemble = accelerated(RUGGED, seeds=10, share=0.999)
    found = audit(ensemble, TorchEngine(), size=10, generator=generator())
    assert found.comparable == 10
    assert len(found.disagreements) >= 3  # 43 of 64 seeds
    full = simulate(RUGGED, seeds=10, lr=1.0, engine=TorchEngine())
    differing = [s for s in range(10) if ensemble.structures[s] != full.structures[s]]
    assert [pair.seed for pair in found.disagreements] == differing
    assert found.disagreement().interval[0] > 0


def test_a_late_one_is_not():
    found = audit(accelerated(RUGGED, seeds=10), TorchEngine(), size=10, generator=generator())
    assert {pair.full for pair in found.comparisons} == {"dnc", "paired"}
    assert (found.comparable, found.disagreement().count) == (10, 0)


def falsified(ensemble, changes):
    """The ensemble with some runs changed, by seed."""
    return replace(ensemble, finished=tuple(changes.get(run.seed, lambda r: r)(run) for run in ensemble.finished))


def test_what_counts_as_disagreement():
    """The name, and the loss where the name is the same; an undecided run leaves room in the interval."""
    honest = accelerated(SMALL, seeds=8)
    ensemble = falsified(
        honest,
        {
            1: lambda run: replace(run, verdict=replace(run.verdict, structure="rank-3")),
            2: lambda run: replace(run, verdict=replace(run.verdict, loss=run.verdict.loss * (1 + 1e-4))),
            3: lambda run: replace(run, verdict=replace(run.verdict, loss=run.verdict.loss * (1 + 1e-7))),
            4: lambda run: replace(run, status="not converged"),
            5: lambda run: replace(run, status="stalled", verdict=replace(run.verdict, structure="rank-3")),
        },
    )
    lost = tuple(run for run in ensemble.finished if run.seed < 6)
    ensemble = replace(ensemble, finished=lost, diverged=(6,), unfinished=(7,))
    found = audit(ensemble, TorchEngine(), size=7, generator=generator())
    assert [pair.agrees for pair in found.comparisons] == [True, False, False, True, None, None, None]
    assert [pair.seed for pair in found.disagreements] == [1, 2]
    assert [(pair.accelerated, pair.full) for pair in found.not_comparable] == [
        ("not converged", "dnc"),
        ("stalled", "dnc"),
        ("diverged", "dnc"),
    ]
    assert (found.disagreement().count, found.disagreement().undecided, found.disagreement().runs) == (2, 3, 7)


def test_runs_short_of_the_horizon_are_reported_apart():
    ensemble = accelerated(MIXED, seeds=10, steps_max=1000)
    found = audit(ensemble, TorchEngine(), size=10, generator=generator())
    assert 0 < found.comparable == ensemble.converged < 10
    assert {(pair.accelerated, pair.full) for pair in found.not_comparable} == {("not converged", "not converged")}
    assert found.disagreement().undecided == 10 - found.comparable


def test_nothing_comparable_has_no_rate():
    found = audit(accelerated(SMALL, seeds=3, steps_max=90), TorchEngine(), size=3, generator=generator())
    assert (found.comparable, found.disagreement().value, found.disagreement().interval) == (0, None, (0.0, 1.0))
    assert found.as_json()["disagreement"] == {
        "count": 0,
        "undecided": 3,
        "runs": 3,
        "rate": None,
        "interval": [0.0, 1.0],
        "confidence": 0.95,
    }


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_is_the_one_of_clopper_and_pearson(confidence):
    ensemble = accelerated(SMALL, seeds=6)
    alpha = 1 - confidence
    clean = audit(ensemble, TorchEngine(), size=6, generator=generator(), confidence=confidence)
    assert clean.disagreement().interval == pytest.approx((0.0, 1 - (alpha / 2) ** (1 / 6)))
    wrong = falsified(ensemble, {2: lambda run: replace(run, verdict=replace(run.verdict, structure="paired"))})
    found = audit(wrong, TorchEngine(), size=6, generator=generator(), confidence=confidence).disagreement()
    assert found.value == pytest.approx(1 / 6)
    assert found.interval == pytest.approx((beta.ppf(alpha / 2, 1, 6), beta.ppf(1 - alpha / 2, 2, 5)))


def test_an_interrupted_audit_keeps_what_ended():
    def stop(progress):
        if progress.converged >= 3:
            raise KeyboardInterrupt

    ensemble = accelerated(SMALL, seeds=6)
    found = audit(ensemble, TorchEngine(chunk=1), size=6, generator=generator(), progress=stop)
    assert found.comparable >= 3
    assert {pair.full for pair in found.not_comparable} == {"interrupted"}


def test_the_settings_of_the_ensemble_are_kept():
    """With other starts or another rule the two runs of a seed could not be compared."""
    law, engine = Initialisation("pytorch", scale=1.7), Recorder()
    ensemble = accelerated(MIXED, seeds=3, lr=0.7, initialisation=law, tolerance=1e-5, steps_max=150)
    audit(ensemble, engine, size=3, generator=generator())
    assert engine.rules == [ensemble.descent]
    for (seed, found), (wanted, expected) in zip(engine.starts, law.starts(MIXED, range(3)), strict=True):
        assert seed == wanted
        assert all(itertools.starmap(np.array_equal, zip(found, expected, strict=True)))


def test_json_is_the_contract():
    ensemble = accelerated(SMALL, seeds=4)
    wrong = falsified(ensemble, {2: lambda run: replace(run, verdict=replace(run.verdict, structure="paired"))})
    found = json.loads(json.dumps(audit(wrong, TorchEngine(), size=4, generator=generator()).as_json()))
    low, high = found["disagreement"].pop("interval")
    assert 0 < low < 0.25 < high < 1
    assert found.pop("seconds") > 0
    assert found == {
        "audited": 4,
        "comparable": 4,
        "not_comparable": 0,
        "disagreement": {"count": 1, "undecided": 0, "runs": 4, "rate": 0.25, "confidence": 0.95},
        "runs": [
            {"seed": s, "accelerated": "paired" if s == 2 else "dnc", "full": "dnc", "agrees": s != 2} for s in range(4)
        ],
        "accelerated_engine": "torch float64 cpu; balanced at imbalance 0.1",
        "full_engine": "torch float64 cpu",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size: expected a whole number from 1 to 2, the runs with an end, but found 0; audit fewer"),
        ({"size": 3}, "size: expected a whole number from 1 to 2, the runs with an end, but found 3"),
        ({"size": True}, "size: expected a whole number from 1 to 2, the runs with an end, but found True"),
        ({"confidence": 1.0}, "confidence: expected a number between 0 and 1, but found 1.0"),
        (
            {"engine": BalanceAcceleration(TorchEngine())},
            "engine: expected one of full descent, but found 'torch .*0.1'; take its inner engine",
        ),
    ],
)
def test_bad_settings(settings, message):
    ensemble = replace(accelerated(SMALL, seeds=2, steps_max=10), unfinished=(2, 3))
    settings = {"engine": TorchEngine(), "size": 2, "generator": generator()} | settings
    with pytest.raises(InvalidInputError, match=message):
        audit(ensemble, settings.pop("engine"), **settings)
