"""Descent of many codes at once, against the objective on logits and against descent one by one."""

import numpy as np
import pytest

from deepcollapse.landscape import polished
from deepcollapse.landscape.batch import Objective, descended_codes
from deepcollapse.landscape.build import random_codes
from deepcollapse.landscape.ranks import code_of
from deepcollapse.ufm import Problem, logits_objective


def codes(classes, rank, count):
    return random_codes(classes, rank, count=count, generator=np.random.default_rng(3)).factors


@pytest.mark.parametrize(("layers", "decay"), [(1, 2.0**-4), (2, 2.0**-10), (3, 2.0**-60), (8, 2.0**-5)])
def test_balanced_codes_have_the_objective_of_their_logits(layers, decay):
    problem = Problem(classes=6, layers=layers, decay=decay)
    for factors in codes(6, 3, 4):
        logits = factors[0] @ factors[1].T
        balanced = code_of(logits, rank=3).factors
        value = Objective(layers=layers, decay=decay).value_and_gradient(balanced)[0][0]
        assert value * decay == pytest.approx(logits_objective(logits, problem), rel=1e-12)


@pytest.mark.parametrize(("layers", "decay"), [(1, 2.0**-4), (2, 2.0**-10), (6, 2.0**-7)])
def test_unbalanced_codes_cost_more(layers, decay):
    """The sum over both factors is at least the penalty of the product: Hoelder's inequality for Schatten norms."""
    objective = Objective(layers=layers, decay=decay)
    unbalanced = codes(7, 3, 8)
    balanced = np.concatenate([code_of(a @ b.T, rank=3).factors for a, b in unbalanced])
    assert (objective.value_and_gradient(unbalanced)[0] >= objective.value_and_gradient(balanced)[0]).all()


@pytest.mark.parametrize(("layers", "decay"), [(1, 2.0**-4), (2, 2.0**-10), (3, 2.0**-16), (8, 2.0**-5)])
def test_the_gradient_is_that_of_central_differences(layers, decay):
    objective = Objective(layers=layers, decay=decay)
    point, way = codes(6, 3, 4), codes(6, 3, 8)[4:]
    step = 1e-6  # error about step^2 times third derivatives over first ones, below 1e-6 here
    difference = (
        objective.value_and_gradient(point + step * way)[0] - objective.value_and_gradient(point - step * way)[0]
    )
    slopes = (objective.value_and_gradient(point)[1] * way).sum(axis=(1, 2, 3))
    assert difference / (2 * step) == pytest.approx(slopes, rel=1e-5)


def test_small_losses_keep_their_digits():
    """Margins of 400, where 1 - softmax underflows to nothing unless it is formed from the wrong classes."""
    objective = Objective(layers=2, decay=2.0**-500)
    factors = code_of(400.0 * (np.eye(3) - 1 / 3), rank=2).factors
    logits = factors[0, 0] @ factors[0, 1].T
    data = objective.value_and_gradient(factors)[0][0] * 2.0**-500 - 1.5 * 2.0**-500 * 2 * 400 ** (2 / 3)
    assert data == pytest.approx(2 * np.exp(logits[1, 0] - logits[0, 0]), rel=1e-6)


@pytest.mark.parametrize(("classes", "layers", "rank"), [(5, 2, 3), (6, 3, 2), (8, 3, 3)])
def test_all_codes_of_a_batch_end_where_descent_alone_ends(classes, layers, rank):
    problem = Problem(classes=classes, layers=layers)
    objective = Objective(layers=layers, decay=problem.mean_decay)
    ends, values, slopes = descended_codes(codes(classes, rank, 6), objective, steps=400, tolerance=1e-6)
    resting = slopes <= 1e-6
    assert resting.any()
    for end, value in zip(ends[resting], values[resting], strict=True):
        exact = polished(end[0] @ end[1].T, problem, rank=rank)
        assert value * problem.mean_decay == pytest.approx(exact.loss, rel=1e-9)


def test_no_step_raises_the_objective_and_codes_do_not_depend_on_their_batch():
    objective = Objective(layers=3, decay=2.0**-9)
    start = codes(6, 3, 5)
    before, (ends, after, _) = (
        objective.value_and_gradient(start)[0],
        descended_codes(start, objective, steps=30, tolerance=1e-6),
    )
    assert (after <= before).all()
    alone = descended_codes(start[2:3], objective, steps=30, tolerance=1e-6)[0]
    assert ends[2:3] == pytest.approx(alone, rel=1e-6, abs=1e-6)
