"""Training by specification: what a short run reports, what whole runs reach, and the folder it leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from deepcollapse.errors import ConvergenceError, InvalidInputError, MissingExtraError, TooLargeError, UndefinedError
from deepcollapse.experiments import TrainResult, train_experiment, train_spec
from deepcollapse.networks import digits, measure_head
from deepcollapse.networks.replacing import WritingError
from deepcollapse.ufm import regularised_loss, structures

SHORT = ("data.per_class=20", "backbone.hidden=[32]", "head.width=16", "decay.features=2.5e-4")
WHOLE = ("descent.steps_max=4000", "descent.window=100", "descent.tolerance=1e-3", "descent.looks=4")
TIMES = ("seconds", "images_per_second", "matmul_share")
DESCENT = ("descent.steps_max=300", "descent.looks=5", "descent.window=50")


def short(*overrides: str, **options: Any) -> TrainResult:
    return train_experiment(train_spec("digits", [*SHORT, *DESCENT, *overrides]), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "digits"


@pytest.fixture(scope="module")
def result(folder: Path) -> TrainResult:
    return short(folder=folder)


def test_json_has_the_keys_of_the_contract(result: TrainResult):
    found = json.loads(json.dumps(result.as_json(), allow_nan=False))
    wanted = {"objective", "dnc_bound", "below_bound", "best_structure_loss", "rank", "singular_values", "structure"}
    wanted |= {"nc1", "train_error", "test_accuracy", "epochs", "images_per_second", "converged"}
    assert wanted <= set(found)
    assert set(found["rank"]) == {"paper", "scale_free"}
    assert set(found["nc1"]) >= {"papyan", "zhu", "rank", "quotient"}
    assert found["spec"]["backbone"] == {"hidden": [32], "kind": "mlp"}
    assert found["problem"]["decay"] == [2.5e-4, 5e-3, 5e-3, 5e-3]
    assert (found["steps"], found["epochs"], found["converged"]) == (300, 300.0, False)
    assert found["trajectory"]["steps"][-1] == 300
    assert np.array(found["trajectory"]["singular_values"]).shape[1] == 10
    head = [f"head.linear.{layer}" for layer in range(3)]
    names = ["backbone.1", "backbone.3", *head[:2], "head.linear.2 (input)", head[2]]
    assert [layer["name"] for layer in found["layers"]] == names
    assert found["nc1"] == found["layers"][-2]["metrics"]["nc1"]


def test_the_verdict_is_that_of_the_last_look(result: TrainResult):
    last = result.training.trajectory
    assert result.objective == result.comparison.verdict.objective == last.objective[-1]
    assert result.train_error == last.train_error[-1]
    np.testing.assert_array_equal(result.comparison.verdict.singular_values, last.singular_values[-1])


def test_the_bound_is_that_of_the_paper_at_any_size(result: TrainResult):
    assert result.comparison.verdict.dnc_bound == pytest.approx(0.242197705457, abs=5e-13)
    found, verdict = result.comparison, result.comparison.verdict
    assert verdict.best_structure_loss == min(known.loss for known in structures(found.problem))
    assert verdict.below_bound == (verdict.objective < verdict.dnc_bound)


def test_the_best_point_known_may_have_no_name(result: TrainResult):
    document = result.as_json()
    assert document["best_structure"] == "unnamed-rank-3"  # found by search, in the atlas
    assert document["best_structure_loss"] < result.comparison.verdict.best_structure_loss


def test_looks_hold_the_head_against_the_theory(result: TrainResult):
    first, last = result.looks[0], result.looks[-1]
    document = result.as_json()
    for name in ("rank", "dnc_bound", "best_structure_loss", "feature_model_objective"):
        assert last[name] == document[name]
    assert first["dnc_bound"] == last["dnc_bound"]
    assert first["feature_model_objective"] == result.training.trajectory.objective[0]


def test_training_descends_and_learns(result: TrainResult):
    assert result.training.trajectory.objective[0] > 2.0
    assert result.comparison.verdict.objective < 0.8 * result.training.trajectory.objective[0]
    assert result.train_error < 0.5
    assert result.test_accuracy > 0.5


def test_looks_follow_every_layer(result: TrainResult):
    assert [look["step"] for look in result.looks] == result.training.trajectory.steps.tolist()
    first, last = result.looks[0], result.looks[-1]
    assert first["layers"].keys() == last["layers"].keys() == {layer.name for layer in result.measurement.layers}
    entering = result.measurement["head.linear.2 (input)"]
    assert last["layers"]["head.linear.2 (input)"]["nc1/papyan"] == entering.nc1.papyan
    assert last["test_accuracy"] == result.test_accuracy
    values = [np.linalg.svd(w.detach().double().numpy(), compute_uv=False) for w in result.network.head.weights]
    np.testing.assert_array_equal(np.concatenate(last["weight_singular_values"]), np.concatenate(values))
    assert last["noise"]["images"] == "test"
    accuracies = list(last["noise"]["accuracy"].values())
    assert accuracies == sorted(accuracies, reverse=True)
    assert last["noise"]["accuracy"].keys() == {"0.1", "0.3", "1"}


def test_speed_is_a_share_of_the_machine(result: TrainResult):
    assert 0 < result.matmul_share < 2  # a loaded machine can make the product slower than the training


def test_polishing_goes_down_to_a_critical_point(result: TrainResult):
    end = result.polished
    assert end is not None
    assert end.converged
    assert end.start_loss == pytest.approx(result.objective, rel=1e-12)
    assert end.loss < end.start_loss
    assert end.loss == regularised_loss(end.factors, result.comparison.problem)


def test_the_folder_holds_the_run(result: TrainResult, folder: Path):
    document = json.loads((folder / "summary.json").read_text())
    assert document == json.loads(json.dumps(result.as_json()))
    assert document["spec"] == json.loads((folder / "spec.json").read_text())
    looks = [json.loads(line) for line in (folder / "looks.jsonl").read_text().splitlines()]
    assert looks == document["looks"]
    arrays = load_file(folder / "arrays.safetensors")
    np.testing.assert_array_equal(arrays["logits"], result.comparison.verdict.logits)
    np.testing.assert_array_equal(arrays["trajectory/objective"], result.training.trajectory.objective)
    assert arrays["weights/3"].shape == (10, 16)
    assert arrays["class_means/backbone.1"].shape == (10, 32)
    assert not list(folder.glob("*.part"))


def test_an_ended_run_is_not_trained_again(result: TrainResult, folder: Path):
    calls: list = []
    again = short(folder=folder, progress=lambda *call: calls.append(call))
    assert calls == []
    assert untimed(again.as_json()) == untimed(result.as_json())


def test_a_folder_of_another_run_is_refused(result: TrainResult, folder: Path):
    with pytest.raises(
        InvalidInputError, match=r"folder: expected a run with seed = 1, but found 0 in .*; name another"
    ):
        short("seed=1", folder=folder)


@pytest.mark.parametrize("line", ["{", "[1]", '{"step": "first"}'])
def test_damaged_looks_are_named(line: str, tmp_path: Path):
    (tmp_path / "spec.json").write_text(json.dumps(train_spec("digits", [*SHORT, *DESCENT]).as_json()))
    (tmp_path / "looks.jsonl").write_text(line)
    with pytest.raises(InvalidInputError, match=r"looks: expected one JSON document per line, but found .* damaged"):
        short(folder=tmp_path)


def test_a_mistake_leaves_the_folder_free(tmp_path: Path):
    (tmp_path / "spec.json.part").write_text("{")  # of a run that was killed while it began
    with pytest.raises(InvalidInputError, match="sizes: expected 1 to"):
        short("data.per_class=175", folder=tmp_path)
    assert not (tmp_path / "spec.json").exists()
    short("descent.steps_max=1", "analysis.layers=false", "analysis.polish=false", folder=tmp_path)
    assert (tmp_path / "spec.json").exists()


def test_what_cannot_be_written_is_an_error_of_the_file(result: TrainResult, tmp_path: Path):
    (tmp_path / "arrays.safetensors.part").mkdir()
    with pytest.raises(
        WritingError, match=r"arrays.safetensors: expected to write \d+ bytes, but found: Is a directory"
    ):
        result.save(tmp_path)


def test_the_seed_decides_and_nothing_else():
    brief = ("descent.steps_max=20", "descent.looks=2", "analysis.layers=false", "analysis.polish=false")
    first = short(*brief)
    torch.manual_seed(99)
    again, other = short(*brief), short("seed=1", *brief)
    np.testing.assert_array_equal(again.training.trajectory.objective, first.training.trajectory.objective)
    assert other.comparison.verdict.objective != first.comparison.verdict.objective


def test_float64_starts_at_the_same_network(result: TrainResult):
    wide = short("dtype=float64", "descent.steps_max=10", "descent.looks=2")
    start = result.training.trajectory.objective[0]
    assert wide.training.trajectory.objective[0] == pytest.approx(start, rel=1e-6)
    assert wide.training.trajectory.objective[0] != start


def test_a_relu_head_runs_too():
    found = short(
        "head.activation=relu",
        "head.layers=2",
        "head.gain=1.7",
        "descent.steps_max=100",
        "descent.looks=2",
        "analysis.polish=false",
    )
    assert found.comparison.problem.activation == "relu"
    assert [layer.name for layer in found.measurement.layers][-1] == "head.linear.1"


def test_standard_decay_is_compared_with_the_model_it_is_balanced_in():
    found = short("decay={kind='standard', weights=2e-3}", "descent.steps_max=600", "analysis.layers=false")
    assert found.comparison.bound == "balanced estimate"
    factors = found.network.factors(digits_rows(20))
    sizes = [float(np.square(factor).sum()) for factor in factors[:2]]
    assert found.comparison.problem.decay[0] == pytest.approx(2e-3 * sizes[1] / sizes[0], rel=1e-12)
    weights = [weight.detach() for weight in found.network.head.weights]
    labels = np.repeat(np.arange(10), 20)
    by_hand = measure_head(factors[0].T, labels, weights, decay=found.comparison.problem.decay)
    assert found.as_json()["feature_model_objective"] == pytest.approx(by_hand.objective, rel=1e-12)
    norms = sum(float(p.detach().double().square().sum()) for p in found.network.parameters())
    head = sum(float(np.square(f).sum()) for f in factors[1:])
    ours = by_hand.objective - 0.5 * 2e-3 * (head + sizes[1]) + 0.5 * 2e-3 * norms
    assert found.objective == pytest.approx(ours, rel=1e-9)
    assert "layers" not in found.looks[0]


def digits_rows(per_class: int) -> np.ndarray:
    source = digits()
    return np.concatenate([source.images[source.labels == label][:per_class] for label in range(10)])


def test_a_collapsed_run_has_no_bound_and_says_so():
    found = short("decay={kind='standard', weights=0.5}", "descent.steps_max=400")
    document = found.as_json()
    assert found.comparison.verdict is None
    assert (document["dnc_bound"], document["rank"], document["structure"]) == (None, None, None)
    assert document["undefined"]
    json.dumps(document, allow_nan=False)


def test_a_run_that_stalled_is_no_result():
    found = short("decay.weights=1e-9", "descent.rate=1e-9", "decay.features=1e-9", "descent.momentum=0")
    document = found.as_json()
    assert document["outcome"] == "stalled"
    assert document["undefined"].startswith("the run stalled: training error")
    assert [document[name] for name in ("below_bound", "kind", "sentence", "structure", "polished")] == [None] * 5
    assert document["dnc_bound"] > 0
    assert document["rank"]


def test_classes_of_different_size_have_no_bound():
    found = short("data.imbalance=4", "descent.steps_max=60", "analysis.polish=false")
    document = found.as_json()
    assert (document["bound"], document["below_bound"]) == ("one-layer frame, no bound", None)
    assert document["undefined"].startswith("samples: expected classes of one size")
    assert document["dnc_bound"] > 0


def test_what_is_too_large_to_polish_keeps_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("deepcollapse.networks.polishing.LARGEST_POLISHED", 10)
    found = short("descent.steps_max=60", folder=tmp_path)
    assert found.polished is None
    assert found.unpolished.startswith("factors: expected at most 10 numbers to descend in")
    assert json.loads((tmp_path / "summary.json").read_text())["unpolished"] == found.unpolished


def test_the_rest_is_kept_before_polishing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module = sys.modules["deepcollapse.experiments.train_experiment"]  # the package has a function of the same name
    monkeypatch.setattr(module, "polish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        short("descent.steps_max=60", folder=tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 60


def test_a_run_goes_on_under_another_name(tmp_path: Path):
    whole = short("descent.steps_max=60", folder=tmp_path)
    calls: list = []
    again = short("descent.steps_max=60", "name=other", folder=tmp_path, progress=lambda *call: calls.append(call))
    assert calls == []
    assert again.objective == whole.objective


def test_a_head_too_narrow_to_collapse_has_no_bound_and_keeps_the_rest():
    found = short("head.width=8", "descent.steps_max=100", "descent.looks=2", "analysis.layers=false")
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert (document["dnc_bound"], document["below_bound"]) == (None, None)
    assert document["undefined"].startswith("width: expected features of at least 9 dimensions")
    assert (document["best_structure"], document["rank"]["scale_free"] <= 8) == ("unnamed-rank-3", True)
    assert found.polished is not None
    assert found.polished.verdict.dnc_bound is None


def test_progress_reaches_the_horizon():
    calls: list = []
    short("descent.steps_max=60", progress=lambda *call: calls.append(call))
    assert calls == [(200 * 49, 200 * 60), (200 * 60, 200 * 60)]  # images


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("data.per_class=175", InvalidInputError, r"^data: sizes: expected 1 to 174 for class 8.*; change per_class"),
        ("data.classes=[3]", InvalidInputError, r"^data: classes: expected at least two different ones"),
        ("head.width=0", InvalidInputError, r"sizes: expected at least two widths >= 1"),
        ("head.layers=0", InvalidInputError, r"layers: expected at least 1"),
        ("decay.weights=0.5", UndefinedError, r"simplex: scale: expected a decay below"),
        ("head.gain=1e3", ConvergenceError, r"training: expected a bounded objective"),
    ],
)
def test_runs_that_cannot_be(override: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        short(override)


def test_what_does_not_fit_the_memory_is_said_in_one_line():
    with pytest.raises(
        TooLargeError, match=r"memory: expected network and batches to fit, .*allocate.*lower head.width"
    ):
        short("backbone.hidden=[1]", "head.width=10_000_000")


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"python -m pip install .*\[digits\]"):
        short()


CHILD = """
import sys
from pathlib import Path
from deepcollapse.experiments import train_experiment, train_spec
train_experiment(train_spec("digits", sys.argv[2:]), folder=Path(sys.argv[1]), checkpoint_seconds=0.0)
"""


def test_killed_at_any_moment_it_ends_with_the_same_numbers(tmp_path: Path):
    overrides = [*SHORT, "descent.steps_max=150", "descent.looks=10", "batches.size=64", "analysis.noise=[0.5]"]
    whole = train_experiment(train_spec("digits", overrides), folder=tmp_path / "whole")
    folder, kills = tmp_path / "killed", 0
    for moment in (3, 7):
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), *overrides])
        while process.poll() is None and lines(folder / "looks.jsonl") < moment:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        saved = json.loads((folder / "checkpoints" / "checkpoint.json").read_text())["values"]
        assert 0 < saved["step"] <= 150
    assert kills >= 1
    resumed = train_experiment(train_spec("digits", overrides), folder=folder)
    assert untimed(resumed.as_json()) == untimed(whole.as_json())
    read = [untimed(json.loads((place / "summary.json").read_text())) for place in (folder, tmp_path / "whole")]
    assert read[0] == read[1]


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def untimed(document: dict) -> dict:
    return {key: value for key, value in document.items() if key not in TIMES}


def test_a_small_network_ends_below_the_bound():
    found = short(*WHOLE)
    assert found.train_error == 0.0
    assert found.comparison.verdict.below_bound
    assert 3 <= found.comparison.verdict.ranks.scale_free < 9


def test_one_layer_collapses_and_stays_above_the_bound():
    found = short("head.layers=1", *WHOLE)
    # collapse is the global minimum of the feature model at L = 1, so no network can be below it
    assert found.train_error == 0.0
    assert not found.comparison.verdict.below_bound
    assert found.comparison.verdict.structure == "simplex"
    assert (found.comparison.verdict.ranks.paper, found.comparison.verdict.ranks.scale_free) == (9, 9)
    assert found.polished is not None
    assert (found.polished.structure, found.polished.stable) == ("simplex", True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_ends_below_the_bound(seed: int):
    found = train_experiment(train_spec("digits", [f"seed={seed}"]))
    assert found.training.converged
    assert found.train_error == 0.0
    assert found.comparison.verdict.below_bound
    assert found.comparison.verdict.ranks.scale_free < 9
    assert found.comparison.verdict.ranks.paper == found.comparison.verdict.ranks.scale_free
    # better than chance and than the nearest class mean of the pixels on the same held-out images
    assert found.test_accuracy > nearest_mean_accuracy(100)
    quotients = [layer.metrics.nc1.quotient for layer in found.measurement.layers]
    # collapse grows with depth; a trained linear head of low rank hands the quotient on, to within what it still moves
    assert all(after < 1.01 * before for before, after in pairwise(quotients))
    assert quotients[-1] < quotients[0] / 20


def nearest_mean_accuracy(per_class: int) -> float:
    source = digits()
    rows = [np.flatnonzero(source.labels == label) for label in range(10)]
    means = np.array([source.images[r[:per_class]].mean(axis=0) for r in rows])
    held_out = np.concatenate([r[per_class:] for r in rows])
    distances = np.linalg.norm(source.images[held_out][:, None] - means, axis=2)
    return float((distances.argmin(axis=1) == source.labels[held_out]).mean())
