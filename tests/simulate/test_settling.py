"""Runs that stand still, move without getting lower, still descend, diverge or are at zero; on every engine."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.simulate import (
    DECIDED,
    STATUSES,
    CpuEngine,
    Descent,
    Endpoint,
    TorchEngine,
    gaussian,
    rate,
    simulate,
)
from deepcollapse.simulate.settling import Settling, settling_steps
from deepcollapse.ufm import Problem, balanced_factors, collapse

SMALL = Problem(classes=3, layers=2, width=4, decay=2.0**-5)
PAIR = Problem(classes=2, layers=2, width=3, decay=2.0**-4)  # at lr 5 steps jump to and fro across its minimum
ENGINES = [TorchEngine(), CpuEngine()]
engines = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)


def statuses(problem, engine, **changes):
    plan = {"seeds": 3, "lr": 0.5, "engine": engine} | changes
    return simulate(problem, **plan)


@engines
@pytest.mark.parametrize(
    ("status", "problem", "changes"),
    [
        ("converged", SMALL, {}),
        ("zero", SMALL.replace(decay=0.5), {}),
        ("not converged", SMALL, {"steps_max": 10}),
        ("diverged", SMALL, {"lr": 1000.0}),
        ("stalled", PAIR, {"lr": 5.0, "steps_max": 3000}),
    ],
)
def test_planted_cases(engine, status, problem, changes):
    found = statuses(problem, engine, **changes)
    assert found.counts == dict.fromkeys(STATUSES, 0) | {status: 3}
    assert (found.decided, found.dnc().value is None) == ((3, False) if status in DECIDED else (0, True))
    assert {run.converged for run in found.finished} <= {status in ("converged", "zero")}


@engines
def test_a_run_at_rest_with_a_gradient_above_the_tolerance_has_settled(engine):
    """In float32 steps below half a unit in the last place are lost, and the run stands still."""
    found = statuses(SMALL, replace(engine, dtype="float32"), tolerance=1e-12)
    assert found.counts["settled"] == found.decided == 3
    assert not any(run.converged for run in found.finished)
    assert (found.gradient_norms > 1e-12).all()


@pytest.mark.parametrize(("steps", "horizon"), [(None, 599), ((0, 300), 600), ((100, 400), 700), ((100, 400), 799)])
def test_two_whole_windows_lie_before_the_horizon(steps, horizon):
    assert settling_steps(Descent(lr=0.5, tolerance=1e-6, steps_max=horizon, window=201)) == steps


def test_without_a_window_nothing_settles():
    assert settling_steps(Descent(lr=0.5, tolerance=1e-6, steps_max=600)) is None


def judged(losses, factors):
    """The status of one run with these losses every 100 steps, at factors of the same place."""
    rule = Descent(lr=0.5, tolerance=1e-6, steps_max=100 * len(losses), window=100 * (len(losses) // 2))
    settling = Settling(SMALL, rule)
    for step, loss in enumerate(losses, start=1):
        settling.look(
            np.array([7]), np.array([100 * step]), losses=np.array([loss]), factors=lambda _, s=step: factors[s - 1]
        )
    return settling.judged(Endpoint(7, "not converged", rule.steps_max, 0.0, factors[-1])).status


REST = balanced_factors(collapse(SMALL).logits, SMALL)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.5, 1.5), min_size=4, max_size=4), st.floats(0.0, 1e-3))
def test_settled_is_what_does_not_move_and_stalled_what_does_not_fall(losses, shift):
    moved = tuple((1.0 + shift) * a for a in REST)
    status = judged(losses, [REST, REST, moved, moved])
    if shift <= 1e-7:  # Z changes by three times that; F by the square, for REST is a critical point
        assert status == "settled"
    elif shift >= 1e-6:
        fell = min(losses[2:]) < min(losses[:2]) * (1 - 1e-10)
        assert status == ("not converged" if fell else "stalled")


def test_a_turn_of_the_features_is_no_move_of_the_logits():
    features, hidden, output = REST
    turn = np.linalg.qr(gaussian(SMALL, seed=0)[1])[0]
    turned = (turn @ features, hidden @ turn.T, output)
    assert judged([1.0] * 4, [REST, REST, turned, turned]) == "settled"


def test_other_statuses_are_left_alone():
    settling = Settling(SMALL, Descent(lr=0.5, tolerance=1e-6, steps_max=1000, window=100))
    for status in ("converged", "diverged"):
        end = Endpoint(0, status, 10, 0.0, REST)
        assert settling.judged(end) is end


@engines
@pytest.mark.parametrize("width", [2, 5])
def test_counts_add_up(engine, width):
    """Whatever the learning rate and the horizon do."""
    for lr, horizon in itertools.product((0.5, 2.5, 100.0), (50, 2000)):
        found = simulate(SMALL.replace(width=width), seeds=6, lr=lr, steps_max=horizon, engine=engine)
        plain = found.as_json()
        assert sum(plain[status.replace(" ", "_")] for status in STATUSES) == plain["runs"] == 6
        assert found.decided + found.undecided == 6
        assert sum(found.structure_counts().values()) == found.decided
        assert plain["dnc"]["undecided"] == found.undecided
        assert (plain["dnc"]["rate"] is None) == (found.undecided > 0)


def test_kinks_decide_what_jumps_about_a_rest_point():
    """The run of seed 1 jumps to and fro across kinks; next to it is a rest point with the same logits."""
    problem = Problem(classes=6, layers=3, width=16, decay=2.0**-7, activation="relu")
    plan = {"seeds": [1], "lr": 0.5, "engine": "cpu", "steps_max": 20_000}
    (moving,), (rest,) = (simulate(problem, **plan, kinks=kinks).finished for kinks in (False, True))
    assert moving.status in ("not converged", "stalled")
    assert (rest.status, rest.converged, rest.decided) == ("settled", False, True)
    assert rest.verdict.loss <= moving.verdict.loss
    assert rest.verdict.structure == "simplex"


@pytest.mark.slow
def test_ten_times_the_steps_find_what_the_interval_holds():
    """Low-rank ReLU ends lie on kinks and end late: three of the five runs that converge first are simplexes."""
    problem = Problem(classes=6, layers=3, width=16, decay=2.0**-7, activation="relu")
    short, longer = (simulate(problem, seeds=32, lr=0.5, steps_max=steps) for steps in (51_200, 512_000))
    assert short.undecided > longer.undecided
    low, high = short.dnc().interval
    assert low <= longer.dnc().count / 32 <= (longer.dnc().count + longer.undecided) / 32 <= high
    found = [ensemble.structure_counts()["simplex"] for ensemble in (short, longer)]
    low, high = rate(found[0], 32, undecided=short.undecided).interval
    assert found[0] / short.decided > 0.5 > found[1] / 32
    assert low <= found[1] / 32 <= (found[1] + longer.undecided) / 32 <= high
