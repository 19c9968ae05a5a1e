"""The digits experiment: consistency of what a short run reports, and what the whole run reaches."""

import json
import sys

import numpy as np
import pytest
import torch

from deepcollapse.errors import ConvergenceError, InvalidInputError, MissingExtraError, UndefinedError
from deepcollapse.experiments import DigitsResult, DigitsSpec, digits_experiment
from deepcollapse.networks import Descent, digits
from deepcollapse.ufm import structures

SHORT = {
    "per_class": 20,
    "hidden": (32,),
    "width": 16,
    "descent": Descent(steps_max=300, looks=12, window=50),
}


def short(**changes: object) -> DigitsResult:
    return digits_experiment(DigitsSpec(**(SHORT | changes)))


@pytest.fixture(scope="module")
def result() -> DigitsResult:
    return short()


def test_json_says_what_was_found(result: DigitsResult):
    found = json.loads(json.dumps(result.as_json(), allow_nan=False))
    wanted = {"objective", "dnc_bound", "below_bound", "best_structure_loss", "best_structure", "singular_values"}
    wanted |= {"rank", "structure", "layers", "train_error", "test_accuracy", "converged", "steps", "images_per_second"}
    assert wanted <= set(found)
    assert found["spec"]["hidden"] == [32]
    assert found["problem"]["decay"] == [2.5e-4, 5e-3, 5e-3, 5e-3]
    assert (found["steps"], found["converged"]) == (300, False)
    assert found["trajectory"]["steps"][-1] == 300
    assert len(found["trajectory"]["steps"]) <= 12
    assert np.array(found["trajectory"]["singular_values"]).shape[1] == 10
    head = [f"head.linear.{layer}" for layer in range(3)]
    names = ["backbone.1", "backbone.3", *head[:2], "head.linear.2 (input)", head[2]]
    assert [layer["name"] for layer in found["layers"]] == names
    assert found["images_per_second"] == pytest.approx(300 * 200 / found["seconds"])


def test_the_verdict_is_that_of_the_last_look(result: DigitsResult):
    last = result.training.trajectory
    assert result.verdict.objective == last.objective[-1]
    assert result.train_error == last.train_error[-1]
    np.testing.assert_array_equal(result.verdict.singular_values, last.singular_values[-1])
    values = np.linalg.svd(result.verdict.logits, compute_uv=False)
    np.testing.assert_allclose(result.verdict.singular_values, values, rtol=0, atol=1e-13 * values[0])


def test_the_bound_is_that_of_the_paper_at_any_size(result: DigitsResult):
    assert result.verdict.dnc_bound == pytest.approx(0.242197705457, abs=5e-13)
    assert result.verdict.best_structure_loss == min(known.loss for known in structures(result.problem))
    assert result.verdict.below_bound == (result.verdict.objective < result.verdict.dnc_bound)


def test_training_descends_and_learns(result: DigitsResult):
    assert result.training.trajectory.objective[0] > 2.0
    assert result.verdict.objective < 0.8 * result.training.trajectory.objective[0]
    assert result.train_error < 0.5
    assert result.test_accuracy > 0.5


def test_the_seed_decides_and_nothing_else(result: DigitsResult):
    torch.manual_seed(99)
    again, other = short(), short(seed=1)
    np.testing.assert_array_equal(again.training.trajectory.objective, result.training.trajectory.objective)
    assert other.verdict.objective != result.verdict.objective


def test_float64_starts_at_the_same_network(result: DigitsResult):
    wide = short(dtype="float64", descent=Descent(steps_max=10, looks=2))
    start = result.training.trajectory.objective[0]
    assert wide.training.trajectory.objective[0] == pytest.approx(start, rel=1e-6)
    assert wide.training.trajectory.objective[0] != start


def test_a_relu_head_runs_too():
    found = short(activation="relu", layers=2, head_scale=1.0, descent=Descent(steps_max=100, looks=4))
    assert found.problem.activation == "relu"
    assert [layer.name for layer in found.measurement.layers][-1] == "head.linear.1"


def test_progress_reaches_the_horizon():
    calls = []
    spec = DigitsSpec(**(SHORT | {"descent": Descent(steps_max=60, looks=3, window=50)}))
    digits_experiment(spec, progress=lambda *call: calls.append(call))
    assert calls == [(49, 60), (60, 60)]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"per_class": 175}, InvalidInputError, r"per_class: expected 1 to 174"),
        ({"width": 0}, InvalidInputError, r"sizes: expected at least two widths >= 1"),
        ({"layers": 0}, InvalidInputError, r"layers: expected at least 1"),
        ({"decay_weights": 0.0}, InvalidInputError, r"decay of weights: expected a finite number > 0"),
        ({"decay_features": -1.0}, InvalidInputError, r"decay of features: expected a finite number > 0"),
        ({"decay_weights": 0.5}, UndefinedError, r"simplex: scale: expected a decay below"),
        ({"head_scale": 1e3}, ConvergenceError, r"training: expected a bounded objective"),
    ],
)
def test_bad_specs(changes: dict, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        short(**changes)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install deepcollapse\[digits\]"):
        short()


def test_a_small_network_ends_below_the_bound():
    found = short(descent=Descent(steps_max=4000, tolerance=1e-3, looks=4))
    assert found.train_error == 0.0
    assert found.verdict.below_bound
    assert 3 <= found.verdict.ranks.scale_free < 9


def test_one_layer_collapses_and_stays_above_the_bound():
    found = short(layers=1, descent=Descent(steps_max=4000, tolerance=1e-3, looks=4))
    # collapse is the global minimum of the feature model at L = 1, so no network can be below it
    assert found.train_error == 0.0
    assert not found.verdict.below_bound
    assert found.verdict.structure == "simplex"
    assert (found.verdict.ranks.paper, found.verdict.ranks.scale_free) == (9, 9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_ends_below_the_bound(seed: int):
    found = digits_experiment(DigitsSpec(seed=seed))
    assert found.training.converged
    assert found.train_error == 0.0
    assert found.verdict.below_bound
    assert found.verdict.ranks.scale_free < 9
    assert found.verdict.ranks.paper == found.verdict.ranks.scale_free
    # better than chance and than the nearest class mean of the pixels on the same held-out images
    assert found.test_accuracy > nearest_mean_accuracy(found.spec.per_class)
    quotients = [layer.metrics.nc1.quotient for layer in found.measurement.layers]
    assert quotients == sorted(quotients, reverse=True)  # collapse grows with depth
    assert quotients[-1] < 0.01 * quotients[0]


def nearest_mean_accuracy(per_class: int) -> float:
    source = digits()
    rows = [np.flatnonzero(source.labels == label) for label in range(10)]
    means = np.array([source.images[r[:per_class]].mean(axis=0) for r in rows])
    held_out = np.concatenate([r[per_class:] for r in rows])
    distances = np.linalg.norm(source.images[held_out][:, None] - means, axis=2)
    return float((distances.argmin(axis=1) == source.labels[held_out]).mean())
