"""Explicit ReLU networks against the forward pass, a one-dimensional minimiser and the inequalities they imply."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.ufm import Problem, collapse, forward, regularised_loss
from deepcollapse.ufm.network import factor_shapes, hidden_inputs
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.relu_networks import ReluNetwork, relu_networks, relu_pairs, relu_triangular
from deepcollapse.ufm.structures import incidence_matrix, paired_trial, simplex, triangular


def relu(classes: int, layers: int, **settings: object) -> Problem:
    return Problem(classes=classes, layers=layers, activation="relu", **settings)


def pattern_logits(network: ReluNetwork, problem: Problem) -> np.ndarray:
    pattern = paired_trial(problem) if network.name == "relu-pairs" else triangular(problem)
    return np.repeat(pattern.matrix((network.scale,)), problem.class_samples, axis=1)


@st.composite
def sizes(draw: st.DrawFn) -> dict[str, object]:
    classes = draw(st.sampled_from([2, 3, 4, 5, 6, 7, 9, 10, 15, 21]))
    layers = draw(st.integers(1, 5))
    decay = draw(st.floats(-14, -9).map(lambda e: 2.0**e))
    if draw(st.booleans()):
        decay = tuple(decay * 2.0 ** draw(st.integers(-2, 2)) for _ in range(layers + 1))
    samples = draw(st.integers(1, 3))
    width = classes + draw(st.integers(1, 4))
    return {"classes": classes, "layers": layers, "samples": samples, "width": width, "decay": decay}


@settings(max_examples=40)
@given(sizes())
def test_networks_are_what_they_say(chosen: dict):
    problem = relu(**chosen)
    networks = relu_networks(problem)
    assert [n.name for n in networks if n.name == "relu-pairs"] == ["relu-pairs"]
    for network in networks:
        factors = network.factors
        assert tuple(f.shape for f in factors) == factor_shapes(problem)
        for inputs in hidden_inputs(factors, problem.replace(activation="linear"))[:-1]:
            assert inputs.min() >= -1e-13 * np.abs(inputs).max()  # ReLU has nothing to cut off
        expected = pattern_logits(network, problem)
        np.testing.assert_allclose(forward(factors, problem), expected, atol=1e-11 * network.scale)
        values = np.linalg.svd(expected, compute_uv=False)[: network.rank]
        np.testing.assert_allclose(network.singular_values, values, rtol=1e-10)
        assert regularised_loss(factors, problem) == pytest.approx(network.loss, rel=1e-12)
        costs = [c * np.square(f).sum() for c, f in zip(problem.factor_decays, factors, strict=True)]
        np.testing.assert_allclose(costs, costs[0], rtol=1e-12)


@settings(max_examples=15)
@given(sizes())
def test_no_other_scale_of_the_factors_is_better(chosen: dict):
    problem = relu(**chosen)
    for network in relu_networks(problem):
        factors = network.factors

        def loss(log_scale: float, factors: tuple = factors) -> float:
            return regularised_loss(tuple(math.exp(log_scale) * f for f in factors), problem)

        found = minimize_scalar(loss, bounds=(-0.5, 0.5), method="bounded", options={"xatol": 1e-9})
        assert found.fun == pytest.approx(network.loss, rel=1e-10)
        for swap in (2.0, 0.5):
            shifted = (swap * factors[0], *factors[1:-1], factors[-1] / swap)
            assert regularised_loss(shifted, problem) > network.loss


def test_triangular_at_ten_classes_three_layers():
    problem = relu(10, 3)
    network, bound = relu_triangular(problem), collapse(problem.replace(activation="linear"))
    assert (network.name, network.rank, network.hidden_width) == ("relu-T5", 4, 5)
    assert network.loss == pytest.approx(0.0503850, abs=5e-8)
    assert bound.loss == pytest.approx(0.0527314, abs=5e-8)


def test_triangular_with_hidden_weights_of_one_size_is_worse():
    """H_1 = sigma A / sqrt(m-2), W_l = sigma I, W_L = sigma (A^T - 2/m) / sqrt(m-2), sigma^M = (m-2) a."""
    m, problem = 5, relu(10, 3)

    def loss(scale: float) -> float:
        sigma = ((m - 2) * scale) ** (1 / problem.factors)
        incidence = incidence_matrix(m)
        stack = [incidence / np.sqrt(m - 2), np.eye(m), np.eye(m), (incidence.T - 2 / m) / np.sqrt(m - 2)]
        widths = [(10, 10)] * 4
        padded = tuple(
            np.pad(sigma * f, [(0, w - s) for w, s in zip(width, f.shape, strict=True)])
            for f, width in zip(stack, widths, strict=True)
        )
        return regularised_loss(padded, problem)

    found = minimize_scalar(loss, bounds=(3, 12), method="bounded", options={"xatol": 1e-10})
    assert found.fun == pytest.approx(0.0511781, abs=5e-8)
    assert found.fun > relu_triangular(problem).loss


@pytest.mark.parametrize(("classes", "below"), [(15, False), (21, True), (28, True)])
def test_triangular_at_two_layers(classes: int, below: bool):
    problem = relu(classes, 2)
    bound = collapse(problem.replace(activation="linear")).loss
    assert (relu_triangular(problem).loss < bound) is below


@pytest.mark.parametrize("classes", [4, 5, 6, 9, 10, 11, 16, 17, 40])
@pytest.mark.parametrize("layers", [2, 3, 4, 5, 8])
def test_pairs_beat_collapse_where_the_inequality_says_so(classes: int, layers: int):
    m, size = (classes + 1) // 2, layers + 1
    left = (2 * classes**2 * (m + 1.0) ** (layers - 1)) ** (1 / size)
    for decay in (2.0**-8, 2.0**-20):
        problem = relu(classes, layers, decay=decay)
        linear = problem.replace(activation="linear")
        bound = Ray(simplex(linear).blocks[0], linear)
        if left < classes - 1:
            assert relu_pairs(problem).loss < bound.loss(bound.minimum())


def test_pairs_inequality_is_wider_than_the_papers():
    """K = 10, L = 4 lies outside the paper's range (L >= 5 there) and inside this one."""
    assert (2 * 10**2 * 6.0**3) ** (1 / 5) < 9
    assert relu_pairs(relu(10, 4)).loss < collapse(Problem(classes=10, layers=4)).loss


def test_squared_error():
    problem = relu(6, 3, decay=2.0**-9, loss="mse")
    for network in relu_networks(problem):
        assert regularised_loss(network.factors, problem) == pytest.approx(network.loss, rel=1e-12)


def test_refusals():
    with pytest.raises(InvalidInputError, match=r"relu-pairs: expected a ReLU problem .* found activation 'linear'"):
        relu_pairs(Problem(classes=4, layers=2))
    with pytest.raises(InvalidInputError, match=r"samples \(1, 2, 1\); change the problem"):
        relu_triangular(relu(3, 2, samples=(1, 2, 1)))
    with pytest.raises(InvalidInputError, match=r"width: expected at least 8 for relu-pairs, but found 7; widen"):
        relu_pairs(relu(7, 2))
    with pytest.raises(InvalidInputError, match=r"width: expected at least 5 for relu-T5, but found 4; widen"):
        relu_triangular(relu(10, 2, width=4))
    with pytest.raises(InvalidInputError, match=r"classes: expected m \(m - 1\) / 2 .* found 7"):
        relu_triangular(relu(7, 2))
    with pytest.raises(UndefinedError, match=r"relu-pairs: scale: expected a decay below 0\.\d+, but found 0.5"):
        relu_pairs(relu(8, 3, decay=0.5))
    assert relu_networks(relu(7, 2)) == ()
    assert relu_networks(relu(10, 3, decay=0.5)) == ()
