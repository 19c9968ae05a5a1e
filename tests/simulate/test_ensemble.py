import json
import re

import numpy as np
import pytest
from scipy.stats import binomtest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate import Momentum, Run, TorchEngine, simulate
from deepcollapse.ufm import Problem, logits_objective, structure
from simulate.oracle import LoopEngine

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("decay", [2.0**-4, 2.0**-7])
def test_one_layer_always_ends_in_collapse(k, decay):
    ensemble = simulate(Problem(classes=k, layers=1, samples=2, decay=decay), seeds=16, lr=1.0)
    assert (ensemble.converged, ensemble.dnc().count) == (16, 16)
    np.testing.assert_allclose(ensemble.losses, structure("dnc", ensemble.problem).loss, atol=1e-9)


@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_squared_error_has_a_horizon_for_any_number_of_classes(k, activation):
    problem = Problem(classes=k, layers=2, width=2 * k, decay=2.0**-7, loss="mse", activation=activation)
    ensemble = simulate(problem, seeds=3, lr=1.0)
    assert sum(ensemble.counts.values()) == ensemble.runs == 3


def test_small_networks_end_at_known_critical_points_only():
    ensemble = simulate(SMALL, seeds=32, lr=1.0)
    assert ensemble.converged == 32
    assert set(ensemble.structures) == {"dnc", "paired"}
    for name, loss, rank in zip(ensemble.structures, ensemble.losses, ensemble.ranks, strict=True):
        known = structure(name, SMALL)
        assert (loss, rank) == (pytest.approx(known.loss, abs=1e-8), known.rank)
    for logits, loss in zip(ensemble.logits, ensemble.losses, strict=True):
        assert logits_objective(logits, SMALL) == pytest.approx(loss, abs=1e-8)


def test_a_short_horizon_decides_nothing_and_leaves_the_rate_open():
    ensemble = simulate(SMALL, seeds=8, lr=1.0, steps_max=10)
    assert (ensemble.converged, ensemble.not_converged) == (0, 8)
    assert (ensemble.dnc().value, ensemble.dnc().interval) == (None, (0.0, 1.0))
    assert (ensemble.rank_counts(), ensemble.structure_counts()) == ({}, {})
    assert set(ensemble.structures) == set(ensemble.statuses) == {"not converged"}
    assert (ensemble.gradient_norms > ensemble.descent.tolerance).all()
    (line,) = ensemble.advice()
    assert re.match(r"steps_max: 8 of 8 runs still descended after 10 steps; raise it to \d+: the last stretch", line)


@pytest.mark.parametrize(
    "problem",
    [
        SMALL,
        Problem(classes=3, layers=2, width=5, samples=(2, 1, 1), decay=2.0**-4, loss="mse"),
        Problem(classes=3, layers=2, width=5, decay=2.0**-4, activation="relu"),
    ],
    ids=str,
)
def test_any_engine_gives_the_same_ensemble(problem):
    settings = {"seeds": [4, 1], "lr": 1.0, "steps_max": 1500}
    fast, slow = simulate(problem, **settings), simulate(problem, engine=LoopEngine(), **settings)
    assert slow.engine == "loop"
    assert fast.seeds.tolist() == slow.seeds.tolist() == [1, 4]
    assert fast.statuses == slow.statuses
    assert fast.structures == slow.structures
    np.testing.assert_array_equal(fast.steps, slow.steps)
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-9)


def test_too_large_a_learning_rate_is_reported():
    ensemble = simulate(SMALL, seeds=5, lr=100.0)
    assert (ensemble.runs, ensemble.diverged, ensemble.finished) == (5, (0, 1, 2, 3, 4), ())
    (advice,) = ensemble.advice()
    found = re.match(
        r"lr: 5 of 5 runs diverged at 100; use ([\d.]+) or less: \1 is 0.5 of [\d.]+, the largest stable", advice
    )
    assert found
    assert simulate(SMALL, seeds=5, lr=float(found[1])).converged == 5
    assert ensemble.as_json()["losses"] == [None] * 5
    assert ensemble.logits.shape == (0, 4, 4)
    assert ensemble.singular_values.shape == (0, 4)


class _Interrupt:
    """Ctrl-C once some runs have converged."""

    def __init__(self, after: int):
        self.after = after

    def __call__(self, progress) -> None:
        if progress.converged >= self.after:
            raise KeyboardInterrupt


def test_an_interrupt_keeps_what_converged():
    engine = TorchEngine(chunk=2)
    whole = simulate(SMALL, seeds=8, lr=1.0, engine=engine)
    part = simulate(SMALL, seeds=8, lr=1.0, engine=engine, progress=_Interrupt(after=5))
    assert 5 <= len(part.finished) < 8
    assert part.interrupted == 8 - len(part.finished)
    assert part.runs == 8
    assert sorted((*part.seeds, *part.unfinished)) == list(range(8))
    kept = np.isin(whole.seeds, part.seeds)
    np.testing.assert_array_equal(part.losses, whole.losses[kept])
    assert part.advice()[-1].startswith(f"interrupted: {part.interrupted} of 8 runs have no end; go on with seeds=")
    rest = simulate(SMALL, seeds=part.unfinished, lr=1.0, engine=engine)
    assert sorted([*part.losses, *rest.losses]) == pytest.approx(sorted(whole.losses), abs=1e-12)
    losses = part.as_json()["losses"]
    assert [seed for seed, loss in enumerate(losses) if loss is None] == list(part.unfinished)


class _Ledger:
    def __init__(self, ended: dict[int, Run | None]):
        self.ended, self.added = ended, []

    def add(self, seed: int, run: Run | None) -> None:
        self.added.append((seed, run))


def test_a_ledger_holds_every_end_and_nothing_is_done_twice():
    whole = simulate(SMALL, seeds=6, lr=1.0, engine="torch")
    known = {run.seed: run for run in whole.finished[:4]} | {77: None}
    ledger = _Ledger(known)
    rest = simulate(SMALL, seeds=6, lr=1.0, engine="torch", ledger=ledger)
    assert sorted(seed for seed, _ in ledger.added) == [4, 5]
    assert all(run is known[run.seed] for run in rest.finished[:4])
    assert (rest.runs, rest.diverged, rest.kept) == (6, (), (0, 1, 2, 3))
    np.testing.assert_array_equal(rest.losses, whole.losses)
    assert rest.model_steps_per_second * rest.seconds == pytest.approx(whole.steps[4:].sum())
    ledger = _Ledger({})
    simulate(SMALL, seeds=2, lr=100.0, ledger=ledger)
    assert sorted(ledger.added) == [(0, None), (1, None)]


def test_json_is_the_contract():
    ensemble = simulate(SMALL, seeds=[7, 2, 30], lr=1.0, steps_max=700, engine="torch")
    found = json.loads(json.dumps(ensemble.as_json(), allow_nan=False))
    assert list(found) == [
        "runs",
        "converged",
        "settled",
        "zero",
        "not_converged",
        "stalled",
        "diverged",
        "interrupted",
        "dnc",
        "ranks",
        "structures",
        "losses",
        "ends",
        "lr",
        "tolerance",
        "steps_max",
        "optimiser",
        "initialisation",
        "engine",
        "seconds",
        "model_steps_per_second",
    ]
    assert found["runs"] == 3 == found["converged"] + found["not_converged"]
    assert found["converged"] > 0
    assert sum(found["ranks"].values()) == sum(found["structures"].values()) == found["converged"]
    assert found["losses"] == ensemble.losses.tolist() == [end["loss"] for end in found["ends"]]
    assert [end["seed"] for end in found["ends"]] == [2, 7, 30]
    assert [end["structure"] for end in found["ends"] if end["converged"]] == [
        name for name in ensemble.structures if name != "not converged"
    ]
    assert (found["optimiser"], found["initialisation"]) == ("gradient descent", "gaussian, scale 1")
    count, undecided = found["dnc"]["count"], found["not_converged"]
    low, high = (binomtest(k, 3).proportion_ci(method="wilson") for k in (count, count + undecided))
    wanted = {"count": count, "undecided": undecided, "runs": 3, "rate": None if undecided else count / 3}
    assert found["dnc"] == wanted | {"interval": [low.low, high.high]}
    assert found["engine"] == "torch float64 cpu"
    assert found["model_steps_per_second"] * found["seconds"] == pytest.approx(ensemble.steps.sum())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, r"seeds: expected at least one, but found 0; give a number >= 1 or a list of seeds"),
        ({"seeds": -3}, r"seeds: expected at least one, but found -3"),
        ({"seeds": []}, r"seeds: expected at least one, but found \[\]"),
        ({"seeds": [3, 1, 3]}, "seeds: expected each seed once, but found 3 again; a repeated run is no independent"),
        ({"seeds": [0, -1]}, r"seeds: expected whole numbers >= 0 \(below 2\^63\), but found -1; count from 0"),
        ({"lr": 0.0}, "lr: expected a finite number > 0, but found 0.0; 0.5 is a safe start"),
        ({"lr": np.nan}, "lr: expected a finite number > 0, but found nan"),
        ({"tolerance": 0.0}, "tolerance: expected a finite number > 0, but found 0.0; leave it out for the default"),
        ({"tolerance": 1e-3}, "tolerance: expected at most decay / 100 = 0.000156, but found 0.001"),
        ({"steps_max": 0}, "steps_max: expected a whole number >= 1, but found 0; leave it out for the default"),
        ({"initialisation": "normal"}, "init: expected gaussian, pytorch, orthogonal, .*, but found 'normal'"),
        ({"accelerate": "faster"}, "accelerate: expected \"balance\", but found 'faster'; leave it out for full runs"),
        ({"accelerate": "balance", "optimiser": Momentum()}, "optimiser: expected plain gradient descent for balance"),
        ({"dtype": "half"}, 'dtype: expected "float32" or "float64", but found \'half\'; choose one of the two'),
        ({"device": "abacus"}, "device: expected a device that holds float64, but found 'abacus'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InvalidInputError, match=message):
        simulate(SMALL, **({"seeds": 2, "lr": 1.0} | settings))


@pytest.mark.slow
def test_width_decides_between_pairs_and_collapse():
    """K = 10, n = 1, L = 2, decay 2^-10: no collapse at d = 20, most runs at d = 140 (measured: 0 and .81)."""
    narrow, wide = (simulate(Problem(classes=10, layers=2, width=d), seeds=24, lr=2.0) for d in (20, 140))
    assert narrow.converged == wide.converged == 24
    assert narrow.dnc().interval[1] < 0.2
    assert wide.dnc().interval[0] > 0.4
