"""The network's objective against the feature model's F and its gradient, and under repeated samples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import UfmDecay, objective
from deepcollapse.ufm import Problem, collapse, gaussian_factors, gradient, regularised_loss
from networks.oracle import blank_images, free_network


@st.composite
def points(draw: st.DrawFn):
    classes, layers = draw(st.sampled_from([2, 3, 10])), draw(st.integers(1, 4))
    samples = draw(st.one_of(st.integers(1, 3), st.tuples(*[st.integers(1, 3)] * classes)))
    decay = UfmDecay(10.0 ** draw(st.integers(-6, 0)), 10.0 ** draw(st.integers(-6, 0)))
    problem = Problem(
        classes=classes,
        layers=layers,
        samples=samples,
        width=draw(st.sampled_from([1, 4, 12])),
        decay=(decay.features, *(decay.weights,) * layers),
        activation=draw(st.sampled_from(["linear", "relu"])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return problem, gaussian_factors(problem, rng, scale=draw(st.sampled_from([0.01, 1.0, 3.0]))), decay


def value(factors: tuple[np.ndarray, ...], problem: Problem, decay: UfmDecay) -> torch.Tensor:
    network = free_network(factors, problem)
    features = network.backbone(network.tensor(blank_images(problem).images))
    return objective(features, torch.tensor(problem.labels), network.head, decay=decay)


def spelled_out(factors: tuple[np.ndarray, ...], problem: Problem, decay: UfmDecay) -> float:
    """Sample by sample."""
    total = 0.0
    for h, label in zip(factors[0].T, problem.labels, strict=True):
        z = h
        for depth, weight in enumerate(factors[1:]):
            z = weight @ (np.maximum(z, 0.0) if problem.activation == "relu" and depth > 0 else z)
        top = z.max()
        total += top - z[label] + math.log(math.fsum(np.exp(z - top)))
    weights = math.fsum(math.fsum((w * w).ravel()) for w in factors[1:])
    features = math.fsum((factors[0] ** 2).ravel())
    return total / problem.total_samples + decay.weights / 2 * weights + decay.features / 2 * features


@given(points())
def test_value_is_that_of_the_feature_model(point: tuple):
    problem, factors, decay = point
    found = value(factors, problem, decay).item()
    assert found == pytest.approx(regularised_loss(factors, problem), rel=1e-12)
    assert found == pytest.approx(spelled_out(factors, problem, decay), rel=1e-12)


@given(points())
def test_gradient_is_that_of_the_feature_model(point: tuple):
    problem, factors, decay = point
    network = free_network(factors, problem)
    features = network.backbone(network.tensor(blank_images(problem).images))
    objective(features, torch.tensor(problem.labels), network.head, decay=decay).backward()
    first, *others = [p.grad.numpy() for p in network.parameters()]
    expected = gradient(factors, problem)
    size = max(np.abs(g).max() for g in expected)
    for found, wanted in zip((first.T, *others), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 * size)


@given(points(), st.integers(2, 4))
def test_only_features_decay_times_samples_matters(point: tuple, copies: int):
    problem, factors, decay = point
    samples = tuple(copies * n for n in problem.class_samples)
    repeated = (np.repeat(factors[0], copies, axis=1), *factors[1:])
    more = UfmDecay(decay.weights, decay.features / copies)
    found = value(repeated, problem.replace(samples=samples), more).item()
    assert found == pytest.approx(value(factors, problem, decay).item(), rel=1e-12)


@pytest.mark.parametrize(("layers", "bound"), [(3, 0.242197705457), (4, 0.251230746413)])
@pytest.mark.parametrize("samples", [5000, 174, (5000,) * 10])
def test_bound_at_the_paper_decays(layers: int, bound: float, samples: int | tuple[int, ...]):
    per_class = samples if isinstance(samples, int) else samples[0]
    decay = UfmDecay(5e-3, 5e-3 / per_class)
    base = Problem(classes=10, layers=layers, width=64)
    network = free_network(gaussian_factors(base, np.random.default_rng(0)), base)
    problem = decay.problem(network.head, samples)
    assert (problem.classes, problem.layers, problem.width, problem.samples) == (10, layers, 64, per_class)
    assert problem.factor_decays == (5e-3 / per_class, *(5e-3,) * layers)
    assert collapse(problem).loss == pytest.approx(bound, abs=5e-13)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_decays(bad: float):
    with pytest.raises(InvalidInputError, match=r"decay of weights: expected a finite number > 0"):
        UfmDecay(bad, 1.0)
    with pytest.raises(InvalidInputError, match=r"decay of features: expected a finite number > 0"):
        UfmDecay(1.0, bad)
