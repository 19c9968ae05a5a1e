"""The distance of layers from collapse, against the nearest simplex frame found by optimisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import ortho_group

from deepcollapse.simulate import classify, gaussian
from deepcollapse.ufm import Problem, balanced_factors, collapse
from deepcollapse.ufm.layers import layer_distances, simplex_distance

PAIR = Problem(classes=2, layers=2, samples=2, width=2)


def nearest_frame(features):
    """min over angle and size of ||X - c U S||_F / ||X||_F in two dimensions, two classes: U S is a direction."""
    spread = features - features.mean(axis=1, keepdims=True)
    signs = np.array([1.0, 1.0, -1.0, -1.0])

    def gap(at):
        angle, size = at
        return np.linalg.norm(spread - size * np.outer([np.cos(angle), np.sin(angle)], signs)) ** 2

    best = min(minimize(gap, [angle, 1.0], tol=1e-14).fun for angle in (0.0, 2.0, 4.0))
    return np.sqrt(best) / np.linalg.norm(spread)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_it_is_the_distance_of_the_nearest_frame(seed):
    features = np.random.default_rng(seed).normal(size=(2, 4))
    assert simplex_distance(features, PAIR) == pytest.approx(nearest_frame(features), abs=1e-6)


@given(st.integers(0, 10**6), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_shifts_turns_and_scales_change_nothing(seed, scale):
    problem, generator = Problem(classes=3, layers=2, samples=2, width=4), np.random.default_rng(seed)
    features = generator.normal(size=(4, 6))
    turned = scale * ortho_group.rvs(4, random_state=seed) @ features + generator.normal(size=(4, 1))
    assert simplex_distance(turned, problem) == pytest.approx(simplex_distance(features, problem), abs=1e-9)


def test_features_that_are_all_alike_have_no_distance():
    assert simplex_distance(np.ones((2, 4)), PAIR) is None


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_collapse_is_collapsed_in_every_layer_and_a_random_start_is_not(layers):
    problem = Problem(classes=4, layers=layers, samples=2, width=6)
    at_rest = layer_distances(balanced_factors(collapse(problem).logits, problem), problem)
    assert len(at_rest.before) == len(at_rest.after) == layers
    assert at_rest.within(1e-7)
    assert not layer_distances(gaussian(problem, seed=0), problem).within(0.1)


@pytest.mark.parametrize(("tilt", "name"), [(0.0, "dnc"), (0.5, "simplex")])
def test_a_relu_end_is_collapse_only_if_its_first_layer_is(tilt, name):
    """Features that W_1 maps to a simplex need not be one: two layers, columns of H_1 stretched along one direction."""
    problem = Problem(classes=4, layers=2, width=4, decay=2.0**-8, activation="relu")
    stretch = np.diag([1.0 + tilt, 1.0, 1.0, 1.0])
    factors = (3.0 * stretch, np.linalg.inv(stretch), 3.0 * (np.eye(4) - 0.25))
    found = classify(factors, problem)
    assert found.structure == name
    assert found.layers.after[1] == pytest.approx(0.0, abs=1e-7)
    assert (found.layers.before[0] > 0.1) == (tilt > 0)
    assert found.nearest.name in ("dnc", "simplex")
