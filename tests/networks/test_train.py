"""The training loop against gradient descent on the feature model written out in NumPy, and its stopping rule."""

import numpy as np
import pytest
import torch

from deepcollapse.errors import ConvergenceError, InvalidInputError
from deepcollapse.networks import Descent, LabelledImages, Network, UfmDecay, deep_head, mlp, train
from deepcollapse.networks.trajectory import recorded_steps
from deepcollapse.ufm import Factors, Problem, collapse, gaussian_factors, gradient, read_factors, regularised_loss
from networks.oracle import blank_images, free_network

DECAY = UfmDecay(0.02, 0.005)


def problem_of(layers: int = 2, activation: str = "linear", decay: UfmDecay = DECAY, samples: int = 2) -> Problem:
    return Problem(
        classes=4,
        layers=layers,
        samples=samples,
        width=6,
        decay=(decay.features, *(decay.weights,) * layers),
        activation=activation,
    )


def heavy_ball(factors: Factors, problem: Problem, *, steps: int, rate: float, momentum: float) -> Factors:
    speed = [np.zeros_like(f) for f in factors]
    for _ in range(steps):
        speed = [momentum * v + g for v, g in zip(speed, gradient(factors, problem), strict=True)]
        factors = tuple(f - rate * v for f, v in zip(factors, speed, strict=True))
    return factors


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("layers", "activation"), [(1, "linear"), (3, "linear"), (3, "relu")])
def test_free_features_follow_the_feature_model(layers: int, activation: str, momentum: float):
    problem = problem_of(layers, activation)
    start = gaussian_factors(problem, np.random.default_rng(layers))
    network = free_network(start, problem)
    descent = Descent(rate=0.1, momentum=momentum, steps_max=60, tolerance=0.0, looks=7, spacing="regular")
    found = train(network, blank_images(problem), decay=DECAY, descent=descent)
    assert (found.steps, found.converged) == (60, False)
    assert found.trajectory.steps.tolist() == [0, 10, 20, 30, 40, 50, 60]
    for row, step in enumerate(found.trajectory.steps.tolist()):
        factors = heavy_ball(start, problem, steps=step, rate=0.1, momentum=momentum)
        reading = read_factors(factors, problem)
        values = np.linalg.svd(reading.logits, compute_uv=False)
        assert found.trajectory.objective[row] == pytest.approx(regularised_loss(factors, problem), rel=1e-10)
        np.testing.assert_allclose(found.trajectory.singular_values[row], values, rtol=0, atol=1e-10 * values[0])
    for ours, theirs in zip(network.factors(np.zeros((8, 1))), factors, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_stops_when_settled_after_training_error_zero():
    problem = problem_of(1)
    network = free_network(gaussian_factors(problem, np.random.default_rng(0)), problem)
    descent = Descent(rate=0.5, steps_max=20_000, tolerance=1e-9, window=50, looks=30)
    found = train(network, blank_images(problem), decay=DECAY, descent=descent)
    assert found.converged
    assert found.steps < 20_000
    assert found.trajectory.train_error[-1] == 0.0
    assert found.trajectory.steps[-1] == found.steps
    # one layer: the simplex is the global minimum, and every other critical point is a strict saddle
    assert found.trajectory.objective[-1] == pytest.approx(collapse(problem).loss, abs=1e-6)
    assert found.trajectory.objective[-1] >= collapse(problem).loss - 1e-12


def test_a_looser_tolerance_stops_earlier():
    problem = problem_of(1)
    steps = []
    for tolerance in (1e-2, 1e-5):
        network = free_network(gaussian_factors(problem, np.random.default_rng(0)), problem)
        descent = Descent(rate=0.5, steps_max=20_000, tolerance=tolerance, window=50)
        steps.append(train(network, blank_images(problem), decay=DECAY, descent=descent).steps)
    assert steps[0] < steps[1]


def test_a_settled_run_with_errors_has_not_converged():
    heavy = UfmDecay(1.0, 1.0)  # everything falls to Z = 0
    problem = problem_of(3, decay=heavy)
    network = free_network(gaussian_factors(problem, np.random.default_rng(0)), problem)
    found = train(network, blank_images(problem), decay=heavy, descent=Descent(steps_max=1000, tolerance=0.1))
    assert (found.steps, found.converged) == (1000, False)
    assert found.trajectory.objective[-1] == pytest.approx(np.log(4), rel=1e-6)


def test_memory_is_bounded_and_progress_reported():
    problem = problem_of()
    network = free_network(gaussian_factors(problem, np.random.default_rng(0)), problem)
    calls = []
    descent = Descent(steps_max=950, tolerance=0.0, window=100, looks=12)
    found = train(
        network, blank_images(problem), decay=DECAY, descent=descent, progress=lambda *call: calls.append(call)
    )
    assert len(found.trajectory.steps) <= 12
    assert set(found.trajectory.steps.tolist()) == recorded_steps(950, looks=12, spacing="log")
    assert calls == [*((step, 950) for step in range(99, 950, 100)), (950, 950)]
    assert found.images_per_second == pytest.approx(8 * 950 / (found.seconds - found.look_seconds))


@pytest.mark.parametrize("spacing", ["log", "regular"])
@pytest.mark.parametrize(("steps", "looks"), [(1, 2), (1, 50), (7, 3), (1000, 40), (10**7, 200)])
def test_recorded_steps_span_the_run(steps: int, looks: int, spacing: str):
    found = sorted(recorded_steps(steps, looks=looks, spacing=spacing))
    assert (found[0], found[-1]) == (0, steps)
    assert len(found) <= looks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_seed_trains_the_same_network(dtype: torch.dtype):
    rng = np.random.default_rng(0)
    data = LabelledImages(rng.random((12, 5)), np.repeat(np.arange(3), 4), 3)
    objectives = []
    for seed in (0, 0, 1):
        generator = torch.Generator().manual_seed(seed)
        network = Network(mlp((5, 8, 4), generator=generator), deep_head(3, layers=2, width=4, generator=generator))
        network = network.to(device="cpu", dtype=dtype)
        done = train(network, data, decay=DECAY, descent=Descent(steps_max=50, looks=5))
        objectives.append(done.trajectory.objective.tolist())
        np.testing.assert_allclose(
            done.trajectory.objective[-1],
            regularised_loss(network.factors(data.images), DECAY.problem(network.head, 4)),
            rtol=1e-12,
        )
    assert objectives[0] == objectives[1] != objectives[2]


@pytest.mark.parametrize("looks", [2, 50])
def test_divergence_is_an_error(looks: int):
    problem = problem_of()
    network = free_network(gaussian_factors(problem, np.random.default_rng(0), scale=3.0), problem)
    descent = Descent(rate=1e3, steps_max=500, looks=looks)
    with pytest.raises(ConvergenceError, match=r"training: expected a bounded objective, but found .* by step"):
        train(network, blank_images(problem), decay=DECAY, descent=descent)


def test_images_must_fit():
    problem = problem_of()
    network = free_network(gaussian_factors(problem, np.random.default_rng(0)), problem)
    shuffled = LabelledImages(np.zeros((8, 1)), problem.labels[::-1].copy(), 4)
    with pytest.raises(InvalidInputError, match=r"labels: expected class order, but found a decrease"):
        train(network, shuffled, decay=DECAY)
    with pytest.raises(InvalidInputError, match=r"head: expected 5 logits, one per class, but found 4; rebuild it"):
        train(network, LabelledImages(np.zeros((8, 1)), problem.labels, 5), decay=DECAY)
    with pytest.raises(InvalidInputError, match=r"samples: .* drop classes without samples"):
        train(network, LabelledImages(np.zeros((5, 1)), np.array([0, 0, 1, 1, 3]), 4), decay=DECAY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0.0}, r"rate: expected a finite number > 0, but found 0.0"),
        ({"rate": float("nan")}, r"rate: expected a finite number > 0, but found nan"),
        ({"momentum": 1.0}, r"momentum: expected 0 <= momentum < 1, but found 1.0"),
        ({"steps_max": 0}, r"steps_max: expected at least 1, but found 0"),
        ({"tolerance": -1e-3}, r"tolerance: expected 0 <= tolerance < 1, but found -0.001"),
        ({"window": 1}, r"window: expected at least 2, but found 1"),
        ({"looks": 1}, r"looks: expected at least 2, but found 1"),
    ],
)
def test_bad_descents(changes: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        Descent(**changes)


def test_unknown_spacing():
    descent = Descent()
    object.__setattr__(descent, "spacing", "cubic")  # past the tests' type checker
    with pytest.raises(InvalidInputError, match=r"spacing: expected \"log\" or \"regular\", but found 'cubic'"):
        descent.__post_init__()
