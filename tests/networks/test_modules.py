"""Backbone, head and their reading: shapes, distributions, randomness, agreement with the feature model."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks import Network, deep_head, mlp
from deepcollapse.ufm import Problem, forward, gaussian_factors
from networks.oracle import blank_images, free_network


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mlp_is_the_composition_of_its_layers():
    network = mlp((6, 5, 4), generator=seeded())
    images = torch.randn(7, 2, 3, generator=seeded(1), dtype=torch.float64)
    (w1, b1), (w2, b2) = ([p.detach() for p in network[i].parameters()] for i in (1, 3))
    hidden = torch.clamp(images.reshape(7, 6) @ w1.T + b1, min=0.0)
    expected = hidden @ w2.T + b2
    torch.testing.assert_close(network(images), expected)
    assert (expected < 0).any()


def test_mlp_weights_are_uniform_within_the_fan_in():
    layer = mlp((400, 300), generator=seeded())[1]
    values = layer.weight.detach().numpy().ravel() * 20.0
    assert np.abs(values).max() <= 1.0
    # 120,000 draws: the variance of a uniform on [-1, 1] is 1/3 with standard error 0.3 / sqrt(120000) < 0.001
    assert values.var() == pytest.approx(1 / 3, abs=0.005)
    assert abs(values.mean()) < 0.01
    assert np.abs(layer.bias.detach().numpy()).max() <= 0.05


def test_head_weights_are_normal_of_the_given_scale():
    head = deep_head(10, layers=3, width=200, scale=2.0, generator=seeded())
    assert [tuple(w.shape) for w in head.weights] == [(200, 200), (200, 200), (10, 200)]
    values = head.weights[0].detach().numpy().ravel() * np.sqrt(200) / 2.0
    # 40,000 draws: standard errors 0.005 of the mean, 0.007 of the variance, 0.025 of the fourth moment
    assert values.mean() == pytest.approx(0.0, abs=0.025)
    assert values.var() == pytest.approx(1.0, abs=0.035)
    assert np.mean(values**4) == pytest.approx(3.0, abs=0.25)


def test_the_default_scale_is_that_of_torch_layers():
    ours = deep_head(2, layers=2, width=300, generator=seeded()).weights[0].std().item()
    theirs = torch.nn.Linear(300, 300).weight.std().item()
    assert ours == pytest.approx(theirs, rel=0.03)


def test_only_the_generator_is_used():
    state = torch.get_rng_state()
    pairs = [
        [*mlp((3, 4, 2), generator=g).parameters(), *deep_head(2, layers=2, width=2, generator=g).parameters()]
        for g in (seeded(5), seeded(5), seeded(6))
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(pairs[0], pairs[1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(pairs[0], pairs[2], strict=True))


@given(
    st.integers(0, 2**32),
    st.sampled_from([2, 3, 5]),
    st.integers(1, 4),
    st.sampled_from([1, 3, 6]),
    st.sampled_from(["linear", "relu"]),
)
def test_a_network_reads_as_a_point_of_the_feature_model(
    seed: int, classes: int, layers: int, width: int, activation: str
):
    problem = Problem(classes=classes, layers=layers, samples=2, width=width, activation=activation)
    factors = gaussian_factors(problem, np.random.default_rng(seed))
    network, data = free_network(factors, problem), blank_images(problem)
    for read, given_factor in zip(network.factors(data.images), factors, strict=True):
        np.testing.assert_array_equal(read, given_factor)
    logits = network.head(network.backbone(network.tensor(data.images))).detach().numpy()
    np.testing.assert_allclose(logits.T, forward(factors, problem), rtol=0, atol=1e-13 * np.abs(logits).max() + 1e-300)
    expected = (forward(factors, problem).argmax(axis=0) == problem.labels).mean()
    assert network.accuracy(data.images, data.labels) == expected


def test_factors_are_float64_and_the_network_keeps_its_dtype():
    network = Network(mlp((4, 3), generator=seeded()), deep_head(2, layers=2, width=3, generator=seeded()))
    narrow = network.to(device="cpu", dtype=torch.float32)
    images = np.random.default_rng(0).random((5, 4))
    factors = narrow.factors(images)
    assert [f.dtype for f in factors] == [np.float64] * 3
    assert [f.shape for f in factors] == [(3, 5), (3, 3), (2, 3)]
    assert {p.dtype for p in narrow.parameters()} == {torch.float32}
    assert narrow.tensor(images).dtype == torch.float32
    assert len(list(narrow.parameters())) == 4
    np.testing.assert_array_equal(factors[1], factors[1].astype(np.float32))


HEAD = {"classes": 3, "layers": 2, "width": 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 1}, r"classes: expected at least 2, but found 1; raise it"),
        ({"layers": 0}, r"layers: expected at least 1, but found 0"),
        ({"width": 0}, r"width: expected at least 1, but found 0"),
        ({"scale": 0.0}, r"scale: expected a finite number > 0, but found 0.0; zero weights never learn"),
        ({"scale": float("nan")}, r"scale: expected a finite number > 0, but found nan"),
    ],
)
def test_bad_heads(changes: dict, message: str):
    settings = HEAD | changes
    with pytest.raises(InvalidInputError, match=message):
        deep_head(settings.pop("classes"), **settings, generator=seeded())


def test_unknown_activation():
    with pytest.raises(InvalidInputError, match=r'activation: expected "linear" or "relu", but found \'gelu\''):
        inspect.unwrap(deep_head)(3, layers=1, width=2, generator=seeded(), activation="gelu")


@pytest.mark.parametrize("sizes", [(4,), (4, 0, 2)])
def test_bad_backbones(sizes: tuple[int, ...]):
    with pytest.raises(InvalidInputError, match=r"sizes: expected at least two widths >= 1, from pixels to features"):
        mlp(sizes, generator=seeded())
