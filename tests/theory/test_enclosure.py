import math

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory import enclosure
from deepcollapse.theory.enclosure import evaluated, least_collapse_loss
from deepcollapse.ufm import Problem, diagonally_superior, forward, regularised_loss


@settings(max_examples=40)
@given(
    st.integers(2, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["linear", "relu"]),
    st.integers(0, 2**32 - 1),
)
def test_network_bound_encloses_the_float_loss_tightly(classes, layers, samples, activation, seed):
    generator = np.random.default_rng(seed)
    decays = tuple(np.exp(generator.uniform(-6, 0, layers + 1)).tolist())
    counts = tuple(generator.integers(1, samples + 1, classes).tolist())
    problem = Problem(classes=classes, layers=layers, samples=counts, width=3, decay=decays, activation=activation)
    shapes = [(3, classes), *[(3, 3)] * (layers - 1), (classes, 3)]
    factors = tuple(generator.standard_normal(shape) for shape in shapes)
    full = (np.repeat(factors[0], counts, axis=1), *factors[1:])
    found, exact = evaluated(factors, problem), regularised_loss(full, problem)
    assert exact - 1e-12 * exact <= found.loss <= exact * (1 + 1e-12)
    starts = np.cumsum([0, *counts[:-1]])
    assert found.superior == bool(diagonally_superior(forward(full, problem)[:, starts]))


def test_network_bound_against_a_hundred_digits():
    """K = 2, one layer, all entries 1/3 as float64: the loss is known, the bound above it by rounding alone."""
    third = 1.0 / 3.0
    problem = Problem(classes=2, layers=1, width=1, decay=0.5)
    factors = (np.array([[third, -third]]), np.array([[third], [-third]]))
    with ctx.workprec(400):
        t = arb(third)
        exact = (1 + (-2 * t * t).exp()).log() + arb(0.5) / 2 * 4 * t * t
        found = evaluated(factors, problem).loss
        assert exact < found
        assert found - exact < 2e-16


def test_ties_are_not_superior():
    problem = Problem(classes=2, layers=1, width=1)
    tie = (np.zeros((1, 2)), np.zeros((2, 1)))
    assert not evaluated(tie, problem).superior


def least_on_a_grid(problem: Problem) -> float:
    """The formula of the loss of collapse on a grid of scales."""
    k, m = problem.classes, problem.factors
    scales = np.linspace(0, 40, 40_001)
    decay = np.exp(np.log(problem.factor_decays).mean())
    penalty = m * decay / 2 * (k - 1) * (scales * np.sqrt(problem.class_samples[0])) ** (2 / m)
    return float((np.log1p((k - 1) * np.exp(-scales)) + penalty).min())


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(1, 5), st.floats(-16, 1))
def test_lower_bound_is_below_every_scale_and_sharp(classes, layers, samples, log_decay):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**log_decay)
    least = least_on_a_grid(problem)
    bound = least_collapse_loss(problem, target=0.999 * least)
    assert 0.999 * least < bound <= least * (1 + 1e-12)


def test_a_target_above_the_minimum_costs_the_budget_but_claims_nothing_false(monkeypatch):
    monkeypatch.setattr(enclosure, "CELLS", 500)
    problem = Problem(classes=5, layers=2)
    least = least_on_a_grid(problem)
    bound = least_collapse_loss(problem, target=2 * least)
    assert 0 < bound <= least * (1 + 1e-12)


def test_lower_bound_uses_the_geometric_mean_of_the_decays():
    shared = Problem(classes=6, layers=2, decay=2.0**-8)
    unequal = shared.replace(decay=(2.0**-6, 2.0**-9, 2.0**-9))
    assert least_collapse_loss(unequal, target=0.05) == least_collapse_loss(shared, target=0.05)


def test_rounding_goes_outwards():
    third = 1.0 / 3.0
    with ctx.workprec(128):
        assert enclosure._above(arb(1) / 3) > third > enclosure._below(arb(1) / 3)
        assert enclosure._above(arb(1)) == math.nextafter(1.0, 2.0)


@pytest.mark.parametrize("decay", [1e-30, 1e3])
def test_extreme_decays(decay):
    problem = Problem(classes=4, layers=3, decay=decay)
    least = min(least_on_a_grid(problem), math.log(4)) if decay > 1 else None
    bound = least_collapse_loss(problem, target=0.5 * least if least else 1e-30)
    assert bound > (0.5 * least if least else 1e-30)


@pytest.mark.parametrize("target", [math.inf, -math.inf, math.nan])
def test_targets_no_loss_can_exceed_are_refused(target):
    with pytest.raises(
        InvalidInputError, match=r"target: expected a finite number, but found (-?inf|nan); give a loss"
    ):
        least_collapse_loss(Problem(classes=4, layers=2), target=target)
