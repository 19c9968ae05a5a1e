"""ReLU networks collapsed at every layer: their definition, and the linear bound without the paper's Assumption 1."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, forward, regularised_loss
from deepcollapse.ufm.relu_collapse import relu_collapse
from deepcollapse.ufm.structures import collapse


def means(factors, problem):
    """Class means (M_l, M~_l) of every layer, from the definition of the forward pass."""
    hidden = factors[0][:, :: problem.samples]
    found = [(hidden, hidden)]
    for weight in factors[1:-1]:
        before = weight @ hidden
        hidden = np.maximum(before, 0.0)
        found.append((before, hidden))
    return found


def mean_over_simplex(matrix):
    """r_l: the norm of the global mean, once per class, over the norm of the centred class means."""
    centre = matrix.mean(axis=1, keepdims=True)
    return math.sqrt(matrix.shape[1]) * np.linalg.norm(centre) / np.linalg.norm(matrix - centre)


def violates_assumption_1(factors, problem):
    return any(mean_over_simplex(b) > mean_over_simplex(a) + 1e-9 for b, a in means(factors, problem)[1:])


def linear_loss(scale, problem):
    k, m, n = problem.classes, problem.factors, problem.samples
    decay = math.exp(np.log(problem.factor_decays).mean())
    return math.log1p((k - 1) * math.exp(-scale)) + m * decay / 2 * (k - 1) * (scale * math.sqrt(n)) ** (2 / m)


shapes = {
    "classes": st.integers(2, 7),
    "layers": st.integers(1, 5),
    "samples": st.integers(1, 3),
    "extra": st.integers(0, 12),
    "scale": st.floats(0.2, 12),
    "seed": st.integers(0, 2**32 - 1),
    "uneven": st.booleans(),
}


@given(**shapes)
def test_collapsed_at_every_layer_and_never_below_the_linear_loss(classes, layers, samples, extra, scale, seed, uneven):
    decay = tuple(2.0 ** -(5 + 3 * (i % 2)) for i in range(layers + 1)) if uneven else 2.0**-7
    problem = Problem(
        classes=classes, layers=layers, samples=samples, width=classes + extra, decay=decay, activation="relu"
    )
    factors = relu_collapse(problem, np.random.default_rng(seed), scale=scale)
    centring = np.eye(classes) - 1 / classes
    np.testing.assert_allclose(
        forward(factors, problem), np.repeat(scale * centring, samples, axis=1), atol=1e-7 * scale
    )
    for layer in means(factors, problem):
        for matrix in layer:
            gram = centring @ matrix.T @ matrix @ centring
            size = np.trace(gram) / (classes - 1)
            assert size > 0
            np.testing.assert_allclose(gram, size * centring, atol=1e-7 * size)
    assert regularised_loss(factors, problem) >= linear_loss(scale, problem) * (1 - 1e-9)


@pytest.mark.parametrize(("classes", "layers", "width"), [(4, 2, 4), (6, 3, 12), (10, 5, 70)])
def test_networks_that_violate_assumption_1_do_not_get_below_linear_collapse(classes, layers, width):
    problem = Problem(classes=classes, layers=layers, width=width, samples=2, activation="relu")
    least, generator, violations = collapse(problem.replace(activation="linear")), np.random.default_rng(0), 0
    for _ in range(60):
        factors = relu_collapse(problem, generator, scale=least.scales[0])
        violations += violates_assumption_1(factors, problem)
        assert regularised_loss(factors, problem) >= least.loss
    assert violations >= 10


def test_refusals():
    for changes in ({"activation": "linear"}, {"samples": (1, 2, 1)}, {"width": 2}):
        problem = Problem(**({"classes": 3, "layers": 2, "width": 4, "activation": "relu"} | changes))
        with pytest.raises(InvalidInputError, match=r"relu_collapse: expected a ReLU problem .* change the problem"):
            relu_collapse(problem, np.random.default_rng(0), scale=1.0)
