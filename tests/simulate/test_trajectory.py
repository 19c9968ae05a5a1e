import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from deepcollapse.errors import CompilerError, InvalidInputError
from deepcollapse.plot import trajectory_figure
from deepcollapse.simulate import CpuEngine, Descent, Endpoint, TorchEngine, classify, descent, gaussian_starts
from deepcollapse.simulate.kernel import compiler
from deepcollapse.simulate.optimiser import Adam, Momentum
from deepcollapse.simulate.trajectory import Snapshot, Trajectory, snapshot, snapshot_steps, trajectories
from deepcollapse.ufm import Problem, balanced_factors, collapse, structure
from simulate.oracle import autograd, objective, trained

try:
    compiler()
    ENGINES = [TorchEngine, CpuEngine]
except CompilerError:
    ENGINES = [TorchEngine, pytest.param(CpuEngine, marks=pytest.mark.skip(reason="no C++ compiler"))]

every_engine = pytest.mark.parametrize("engine", ENGINES)

PROBLEMS = [
    Problem(classes=4, layers=2, width=6, decay=2.0**-4),
    Problem(classes=3, layers=1, samples=2, decay=0.06),
    Problem(classes=2, layers=3, samples=3, width=5, decay=2.0**-5, activation="relu"),
    Problem(classes=5, layers=2, samples=(1, 3, 2, 1, 1), decay=2.0**-6, loss="mse"),
]
RULE = Descent(lr=1.0, tolerance=1e-4, steps_max=333, check_every=40)


def observed(problem, engine, *, seeds, rule, snapshots=20):
    starts = list(gaussian_starts(problem, seeds))
    runs = trajectories(problem, starts, descent=rule, engine=engine, snapshots=snapshots)
    assert [run.seed for run in runs] == list(seeds)
    return runs


def uninterrupted(problem, engine, *, seeds, rule):
    return {end.seed: end for end in engine.train(problem, gaussian_starts(problem, seeds), descent=rule)}


@every_engine
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("problem", "every"), [*((p, 40) for p in PROBLEMS), (PROBLEMS[0], 7)], ids=str)
def test_observation_changes_nothing(engine, dtype, problem, every):
    """Float32 factors pass through float64 exactly, and no other state is lost between legs.

    The lanes of the compiled kernel do not depend on each other, so its factors agree to the last bit. A batched
    product of torch may add in another order in another batch, so there it is rounding.
    """
    rule = replace(RULE, check_every=every)
    ends = uninterrupted(problem, engine(dtype), seeds=range(3), rule=rule)
    for run in observed(problem, engine(dtype), seeds=range(3), rule=rule):
        end = ends[run.seed]
        assert (run.status, run.end.steps) == (end.status, end.steps)
        assert run.end.gradient_norm == pytest.approx(end.gradient_norm, rel=1e-3)
        for a, b in zip(run.end.factors, end.factors, strict=True):
            if engine is CpuEngine:
                assert (a == b).all()
            else:
                np.testing.assert_allclose(a, b, atol=1e-12 if dtype == "float64" else 1e-5)


def test_both_kinds_of_ends_occur_above():
    ends = [end for p in PROBLEMS for end in uninterrupted(p, TorchEngine(), seeds=range(3), rule=RULE).values()]
    assert {end.status for end in ends} == {"converged", "not converged"}


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_look_shows_the_plain_loop_at_its_step(problem):
    rule = Descent(lr=0.3, tolerance=1e-12, steps_max=60, check_every=25)
    (run,) = observed(problem, TorchEngine(), seeds=[4], rule=rule, snapshots=8)
    assert run.steps.tolist() == list(snapshot_steps(rule, count=8))
    ((_, factors),) = gaussian_starts(problem, [4])
    for look, (before, after) in zip(run.snapshots, pairwise([0, *run.steps.tolist()]), strict=True):
        factors = trained(factors, problem, lr=0.3, steps=after - before)
        assert look.step == after
        assert look.loss == pytest.approx(float(objective(list(map(torch.from_numpy, factors)), problem)), rel=1e-10)
        slope = np.sqrt(sum(np.square(g).sum() for g in autograd(factors, problem)))
        assert look.gradient_norm == pytest.approx(slope, rel=1e-9)
        verdict = classify(factors, problem)
        np.testing.assert_allclose(look.singular_values, verdict.reading.singular_values, atol=1e-10)
        assert look.within_class == pytest.approx(verdict.reading.within_class, abs=1e-10)
        assert look.imbalance == pytest.approx(verdict.reading.imbalance, abs=1e-10)
        assert look.dnc_distance == pytest.approx(verdict.dnc_distance, abs=1e-10)


def test_a_run_into_collapse_shows_it_in_every_metric():
    problem = Problem(classes=3, layers=1, samples=2, width=4, decay=0.03)
    (run,) = observed(problem, TorchEngine(), seeds=[0], rule=descent(problem, 1.0))
    first, last = run.snapshots[0], run.snapshots[-1]
    assert run.status == "converged"
    assert last.step == run.end.steps < descent(problem, 1.0).steps_max
    for name in ("nc1", "equinorm", "equiangularity", "nc3", "dnc_distance", "within_class", "imbalance"):
        assert getattr(last, name) < 1e-3 < 0.05 < getattr(first, name), name
    assert last.gradient_norm == pytest.approx(run.end.gradient_norm, rel=1e-6)
    assert last.loss == pytest.approx(collapse(problem).loss, rel=1e-6)
    assert (np.diff(run.losses) < 0).all()


def test_metrics_of_the_last_layer_by_their_definition():
    """Four samples in two classes on a line through W_1 = 1: means -2 and 2, variance 1 within each, 4 between."""
    problem = Problem(classes=2, layers=2, samples=2, width=1)
    factors = (np.array([[-3.0, -1.0, 1.0, 3.0]]), np.array([[1.0]]), np.array([[-5.0], [5.0]]))
    look = snapshot(factors, problem, step=3)
    assert look.step == 3
    assert look.nc1 == pytest.approx(1 / 4)
    assert (look.equinorm, look.equiangularity) == (pytest.approx(0.0), pytest.approx(0.0))
    assert look.nc3 == pytest.approx(0.0, abs=1e-12)
    turned = snapshot((factors[0], -factors[1], factors[2]), problem, step=3)
    assert turned.nc3 == pytest.approx(2.0)  # classifier against the means of what enters it, not of H_1
    rectified = snapshot(factors, problem.replace(activation="relu"), step=0)  # 0 0 | 1 3: means -1 and 1, within 1/2
    assert rectified.nc1 == pytest.approx(1 / 2)


def test_metrics_without_a_value_are_none():
    problem = Problem(classes=4, layers=2, decay=0.9)  # no collapse at this decay
    zero = snapshot(tuple(np.zeros((4, 4)) for _ in range(3)), problem, step=0)
    assert (zero.nc1, zero.equinorm, zero.equiangularity, zero.nc3, zero.dnc_distance) == (None,) * 5
    assert zero.loss == pytest.approx(math.log(4))
    headless = snapshot((np.eye(4), np.eye(4), np.zeros((4, 4))), problem, step=0)
    assert (headless.nc1, headless.equiangularity, headless.nc3) == (None, pytest.approx(0.0), None)
    three = np.array([[1.0, -1.0, 0.0, 0.0]] * 4)  # two class means at the centre have no angle
    assert snapshot((three, np.eye(4), np.eye(4)), problem, step=0).equiangularity is None


@pytest.mark.parametrize("steps_max", [1, 2, 99, 100, 101, 250, 409_600, 10**12])
@pytest.mark.parametrize(("every", "count"), [(1, 60), (7, 3), (7, 60), (100, 2), (100, 10), (100, 60)])
def test_looks_are_log_spaced_and_lie_on_measurements(steps_max, every, count):
    rule = Descent(lr=1.0, tolerance=1e-6, steps_max=steps_max, check_every=every)
    steps = snapshot_steps(rule, count=count)
    assert (steps[0], steps[-1]) == (0, steps_max)
    assert len(steps) <= count
    assert all(a < b for a, b in pairwise(steps))
    assert all(step < every or step % every == 0 for step in steps[:-1])
    if count > 2 and steps_max > 1:
        assert steps[1] == 1
    ratio = steps_max ** (1 / max(count - 2, 1))
    for a, b in pairwise(steps[1:]):
        if a >= 10 * every:  # rounding takes less than a tenth
            assert b / a == pytest.approx(ratio, rel=0.15)


def test_runs_that_end_early_take_no_further_looks():
    problem = Problem(classes=3, layers=1, decay=0.05)
    rule = Descent(lr=1.0, tolerance=1e-4, steps_max=10**9)
    runs = observed(problem, TorchEngine(), seeds=range(4), rule=rule, snapshots=50)
    for run in runs:
        assert run.status == "converged"
        assert run.steps[-1] == run.end.steps < 10_000
        assert len(run.snapshots) <= 51
        assert run.end.steps % rule.check_every == 0


def test_resting_between_two_measurements_is_no_end():
    """From collapse itself the gradient is below the tolerance at once; the rule first measures after 100 steps."""
    problem = Problem(classes=3, layers=2, decay=2.0**-7)
    starts = [(0, balanced_factors(collapse(problem).logits, problem))]
    rule = Descent(lr=0.5, tolerance=1e-6, steps_max=1000)
    (run,) = trajectories(problem, starts, descent=rule, engine=TorchEngine(), snapshots=12)
    assert (run.status, run.end.steps) == ("converged", 100)
    assert {1, 2} < set(run.steps.tolist())


@every_engine
def test_a_run_that_diverges_keeps_what_was_seen(engine):
    problem = Problem(classes=4, layers=3, decay=2.0**-6)
    rule = Descent(lr=1000.0, tolerance=1e-6, steps_max=1000)
    for run in observed(problem, engine(), seeds=range(2), rule=rule):
        assert (run.status, run.end.factors) == ("diverged", None)
        assert run.steps[0] == 0
        assert np.isfinite(run.losses).all()


def test_any_engine_will_do_and_unfinished_runs_stay_apart():
    """Legs are asked for runs under way only, with what is left to the next look."""
    problem, asked = Problem(classes=3, layers=1), []

    class Halving:
        name = "halving"

        def train(self, problem, starts, *, descent, report=None):
            for seed, factors in starts:
                asked.append((seed, descent.steps_max))
                ended = seed == 1 and descent.steps_max == 90
                status = "converged" if ended else "not converged"
                yield Endpoint(seed, status, descent.steps_max, 1.0, tuple(a / 2 for a in factors))

    rule = Descent(lr=1.0, tolerance=1e-6, steps_max=1000)
    runs = observed(problem, Halving(), seeds=[1, 5], rule=rule, snapshots=5)
    assert asked == [(1, 1), (5, 1), (1, 9), (5, 9), (1, 90), (5, 90), (5, 900)]
    assert [(run.status, run.end.steps) for run in runs] == [("converged", 100), ("not converged", 1000)]
    start = dict(gaussian_starts(problem, [1]))[1]
    np.testing.assert_array_equal(runs[0].end.factors[0], start[0] / 8)


def test_a_trajectory_in_plain_types_and_as_a_figure():
    problem = Problem(classes=3, layers=2, samples=2, decay=2.0**-6)
    rule = Descent(lr=0.5, tolerance=1e-6, steps_max=300)
    (run,) = observed(problem, TorchEngine(), seeds=[7], rule=rule, snapshots=6)
    plain = run.as_json()
    assert set(plain) == {"seed", "status", *Snapshot.__slots__}
    assert (plain["seed"], plain["status"]) == (7, "not converged")
    assert plain["step"] == run.steps.tolist()
    assert plain["singular_values"] == run.singular_values.tolist()
    assert plain["nc1"] == [look.nc1 for look in run.snapshots]
    assert run.singular_values.shape == (len(run.steps), 3)
    assert run.gradient_norms.tolist() == plain["gradient_norm"]
    best = structure("dnc", problem)
    figure = trajectory_figure(run.steps, run.losses, run.singular_values, bound=best.loss)
    assert len(figure.axes) == 2
    assert isinstance(run, Trajectory)


def test_bad_starts_and_counts_are_refused():
    problem = Problem(classes=3, layers=1)
    rule, ((_, factors),) = Descent(lr=1.0, tolerance=1e-6, steps_max=10), gaussian_starts(problem, [0])
    with pytest.raises(InvalidInputError, match=r"starts: expected each seed once, but found 3 again"):
        trajectories(problem, [(3, factors), (3, factors)], descent=rule, engine=TorchEngine())
    huge = tuple(1e200 * a for a in factors)
    with pytest.raises(InvalidInputError, match=r"starts: expected a finite loss at seed 0, but found (inf|nan)"):
        trajectories(problem, [(0, huge)], descent=rule, engine=TorchEngine())
    for count in (1, 0, True):
        with pytest.raises(InvalidInputError, match=r"snapshots: expected a whole number >= 2, but found"):
            trajectories(problem, [(0, factors)], descent=rule, engine=TorchEngine(), snapshots=count)
    assert trajectories(problem, [], descent=rule, engine=TorchEngine()) == ()


@pytest.mark.parametrize("optimiser", [Momentum(), Adam()], ids=str)
def test_optimisers_with_a_state_are_refused(optimiser):
    problem, rule = Problem(classes=3, layers=1), Descent(lr=0.1, tolerance=1e-6, steps_max=10, optimiser=optimiser)
    with pytest.raises(InvalidInputError, match=r"optimiser: expected plain gradient descent for trajectories"):
        trajectories(problem, gaussian_starts(problem, [0]), descent=rule, engine=TorchEngine())
