"""What every engine promises, held against all of them and against each other."""

import itertools

import numpy as np
import pytest

from deepcollapse.errors import CompilerError
from deepcollapse.simulate import CpuEngine, Descent, Engine, TorchEngine, classify, descent, gaussian_starts, simulate
from deepcollapse.simulate.kernel import compiler
from deepcollapse.ufm import Problem
from simulate.oracle import autograd, trained

try:
    compiler()
    ENGINES = [TorchEngine, CpuEngine]
except CompilerError:
    ENGINES = [TorchEngine, pytest.param(CpuEngine, marks=pytest.mark.skip(reason="no C++ compiler"))]

every_engine = pytest.mark.parametrize("engine", ENGINES)
both_engines = pytest.mark.skipif(CpuEngine not in ENGINES, reason="no C++ compiler")

SMALL = Problem(classes=4, layers=2, width=8, decay=2.0**-6)
PROBLEMS = [
    Problem(classes=3, layers=1, samples=2, width=4),
    Problem(classes=4, layers=2, samples=(1, 3, 2, 1), width=6, decay=(0.01, 0.02, 0.004)),
    Problem(classes=5, layers=4, width=5, loss="mse"),
    Problem(classes=12, layers=3, samples=5, width=64),
    Problem(classes=7, layers=2, samples=5, width=37, loss="mse"),
    Problem(classes=2, layers=3, samples=3, width=7, activation="relu"),
    Problem(classes=4, layers=2, samples=(2, 1, 1, 2), width=6, activation="relu", loss="mse"),
    Problem(classes=6, layers=4, samples=5, width=41, activation="relu", decay=(0.01, 0.02, 0.004, 0.03, 0.001)),
    Problem(classes=3, layers=1, width=4, activation="relu"),
    Problem(classes=5, layers=3, width=2, samples=2),  # narrower than the classes
]
GRID = [
    Problem(classes=k, layers=layers, width=d, samples=n, loss=loss, activation=activation, decay=2.0**-6)
    for (k, layers, d, n), loss, activation in itertools.product(
        [(2, 1, 2, 1), (3, 2, 5, 5), (5, 2, 9, 1), (4, 3, 12, 1), (12, 2, 16, 1), (3, 4, 8, 1)],
        ["ce", "mse"],
        ["linear", "relu"],
    )
]
_SIZES = itertools.cycle([(2, 2), (3, 16), (4, 4), (5, 9), (6, 37), (8, 64), (12, 12), (7, 24), (10, 40)])  # K, d
MANY = [
    Problem(classes=k, layers=layers, width=d, samples=n, loss=loss, activation=activation, decay=2.0**-6)
    for (layers, n, loss, activation), (k, d) in zip(
        itertools.product([1, 2, 3, 4], [1, 5], ["ce", "mse"], ["linear", "relu"]), _SIZES, strict=False
    )
]


def endpoints(engine, problem, *, seeds, rule):
    return {end.seed: end for end in engine.train(problem, gaussian_starts(problem, seeds), descent=rule)}


def kind(end, problem):
    if end.factors is None:
        return end.status
    found = classify(end.factors, problem)
    return found.structure, found.rank


@every_engine
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_step_is_the_step_of_a_plain_loop(engine, problem):
    starts = dict(gaussian_starts(problem, range(3)))
    for steps, dtype in itertools.product((1, 2, 50), ("float64", "float32")):
        rule = Descent(lr=0.3, tolerance=1e-12, steps_max=steps, check_every=7)
        room = 1e-12 if dtype == "float64" else 5e-5  # rounding grows with the steps, and faster in ReLU's kinks
        for seed, end in endpoints(engine(dtype), problem, seeds=range(3), rule=rule).items():
            expected = trained(starts[seed], problem, lr=0.3, steps=steps)
            assert (end.status, end.steps) == ("not converged", steps)
            for a, b in zip(end.factors, expected, strict=True):
                np.testing.assert_allclose(a, b, atol=room)
            slope = np.sqrt(sum((g**2).sum() for g in autograd(expected, problem)))
            assert end.gradient_norm == pytest.approx(slope, rel=1e3 * room, abs=room)


@both_engines
@pytest.mark.parametrize("problem", GRID, ids=str)
def test_engines_end_at_the_same_points(problem):
    """In float64 the whole run; statuses may differ in none of the seeds, since rounding is far below the tolerance."""
    rule = descent(problem, 0.5, tolerance=1e-5, steps_max=3000)
    ends = [endpoints(engine(), problem, seeds=range(6), rule=rule) for engine in (TorchEngine, CpuEngine)]
    for seed, end in ends[0].items():
        other = ends[1][seed]
        assert (other.status, other.steps) == (end.status, end.steps)
        here, there = (classify(e.factors, problem) for e in (end, other))
        assert (here.structure, here.rank) == (there.structure, there.rank)
        assert here.loss == pytest.approx(there.loss, rel=1e-9)


@pytest.mark.slow
@both_engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", MANY, ids=str)
def test_the_same_seeds_end_in_the_same_class(problem, dtype):
    """Thirty-two seeds each, converged, not converged or diverged."""
    rule = descent(problem, 0.5, tolerance=1e-5 if dtype == "float64" else 1e-4, steps_max=4000)
    ends = [endpoints(engine(dtype), problem, seeds=range(32), rule=rule) for engine in (TorchEngine, CpuEngine)]
    kinds = [{seed: kind(end, problem) for seed, end in found.items()} for found in ends]
    assert len(kinds[0]) == 32
    assert kinds[0] == kinds[1]


@both_engines
@pytest.mark.parametrize("problem", GRID[::5], ids=str)
def test_engines_agree_in_single_precision(problem):
    rule = descent(problem, 0.5, tolerance=1e-4, steps_max=2000)
    ends = [endpoints(engine("float32"), problem, seeds=range(4), rule=rule) for engine in (TorchEngine, CpuEngine)]
    for seed, end in ends[0].items():
        here, there = (classify(e.factors, problem) for e in (end, ends[1][seed]))
        assert (here.structure, here.rank) == (there.structure, there.rank)
        assert here.loss == pytest.approx(there.loss, rel=1e-4)


@every_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_divergence_is_told_from_slowness(engine, dtype, loss, activation):
    problem = SMALL.replace(layers=3, loss=loss, activation=activation)
    rule = Descent(lr=1000.0, tolerance=1e-6, steps_max=1000)
    ends = endpoints(engine(dtype), problem, seeds=range(5), rule=rule)
    assert [(end.status, end.factors) for end in ends.values()] == [("diverged", None)] * 5


@every_engine
def test_a_start_that_overflows_has_diverged(engine):
    starts = [(seed, tuple(1e200 * a for a in model)) for seed, model in gaussian_starts(SMALL, [8])]
    (end,) = engine().train(SMALL, starts, descent=Descent(lr=1.0, tolerance=1e-6, steps_max=10))
    assert end.status == "diverged"


@every_engine
def test_progress_counts_every_run(engine):
    reports, rule = [], descent(SMALL, 1.0, steps_max=700)
    ends = list(engine().train(SMALL, gaussian_starts(SMALL, range(70)), descent=rule, report=reports.append))
    last = reports[-1]
    assert sorted(end.seed for end in ends) == list(range(70))
    assert (last.ended, last.diverged, last.running) == (70, 0, 0)
    assert last.converged == sum(end.status == "converged" for end in ends)
    assert last.steps == sum(end.steps for end in ends)


@every_engine
def test_no_starts_no_endpoints(engine):
    assert list(engine().train(SMALL, [], descent=descent(SMALL, 1.0))) == []
    assert isinstance(engine(), Engine)


@every_engine
def test_any_engine_is_chosen_by_name(engine):
    name = {TorchEngine: "torch", CpuEngine: "cpu"}[engine]
    ensemble = simulate(SMALL, seeds=4, lr=1.0, steps_max=1500, engine=name)
    assert ensemble.engine == engine().name
    reference = simulate(SMALL, seeds=4, lr=1.0, steps_max=1500, engine=TorchEngine())
    assert ensemble.structures == reference.structures
    np.testing.assert_allclose(ensemble.losses, reference.losses, rtol=1e-9)
