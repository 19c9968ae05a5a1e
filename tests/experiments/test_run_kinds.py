import json
from pathlib import Path

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import RunSpec, run_spec
from deepcollapse.simulate import simulate
from deepcollapse.theory import overview
from deepcollapse.ufm import Problem, collapse

SMALL = {"classes": 4, "layers": 2, "width": 8, "decay": 2**-6}
SIMULATE = {"kind": "simulate", **SMALL, "seeds": 3, "lr": 1.0}
TRAIN = {"kind": "train", "spec": "digits", "descent.steps_max": 4, "analysis.polish": False, "analysis.noise": []}
DOCUMENTS = [
    {"kind": "theory", **SMALL},
    {"kind": "theory", "classes": 3, "layers": 1, "samples": [1, 2, 2], "loss": "mse", "decay": [0.1, 0.2]},
    {"kind": "landscape", "classes": 3, "layers": 1, "restarts": 2, "seed": 5},
    SIMULATE,
    TRAIN,
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_what_is_written_out_is_read_back_as_the_same_run(document):
    run = run_spec(document)
    assert isinstance(run, RunSpec)
    written = json.loads(json.dumps(run.as_json()))
    assert run_spec(written).as_json() == run.as_json()
    assert run_spec(written).identity() == run.identity()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"width": 4}),
        ({"samples": [2, 2, 2, 2]}, {"samples": 2}),
        ({"decay": [0.01, 0.01, 0.01]}, {"decay": 0.01}),
        ({"decay": 1}, {"decay": 1.0}),
    ],
)
def test_one_model_has_one_identity_however_it_is_written(one, other):
    base = {"kind": "theory", "classes": 4, "layers": 2}
    assert run_spec(base | one).identity() == run_spec(base | other).identity()


@pytest.mark.parametrize("change", [{"lr": 0.5}, {"first_seed": 3}, {"seeds": 2}, {"init_scale": 2.0}, {"decay": 0.01}])
def test_what_changes_the_result_changes_the_identity(change):
    assert run_spec(SIMULATE | change).identity() != run_spec(SIMULATE).identity()


def test_defaults_that_depend_on_the_model_are_written_out():
    written = run_spec(SIMULATE).as_json()
    assert written["tolerance"] == 1e-6
    assert written["steps_max"] == 200 / (1.0 * 2**-6)


def test_a_name_and_a_folder_of_public_images_do_not_change_a_training_run():
    renamed = {"name": "other", "data.path": "elsewhere", "data.download": True}
    assert run_spec(TRAIN | renamed).identity() == run_spec(TRAIN).identity()


def test_a_table_replaces_a_part_of_a_specification_whole():
    run = run_spec(TRAIN | {"decay": {"kind": "standard", "weights": 1e-3}})
    assert run.as_json()["spec"]["decay"] == {"kind": "standard", "weights": 1e-3, "vectors": True}


def test_a_file_of_images_counts_by_its_bytes(tmp_path):
    paths = [tmp_path / name for name in ("one.npz", "same.npz", "other.npz")]
    for path, bytes_ in zip(paths, [b"1", b"1", b"2"], strict=True):
        path.write_bytes(bytes_)
    one, same, other = (run_spec(TRAIN | {"data.source": "file", "data.path": str(path)}).identity() for path in paths)
    assert one == same != other
    with pytest.raises(InvalidInputError, match=r"data.path: expected a file of images, but found .*missing.npz"):
        run_spec(TRAIN | {"data.source": "file", "data.path": str(tmp_path / "missing.npz")}).identity()


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        ({"kind": "sing"}, ["kind: expected one of theory, landscape, simulate, train, but found 'sing'"]),
        ({}, ["kind: expected one of"]),
        (
            {"kind": "theory", "clases": 3},
            ["classes: expected a value", "layers: expected a value", "clases: expected no"],
        ),
        ({"kind": "theory", "classes": 1, "layers": 1}, ["classes: expected a whole number >= 2, but found 1"]),
        (SIMULATE | {"lr": 0.0}, ["lr: expected a finite number > 0"]),
        (SIMULATE | {"beta": 0.5}, ["beta: expected none for gd"]),
        (SIMULATE | {"seeds": 0}, ["seeds: expected greater than or equal to 1, but found 0"]),
        (SIMULATE | {"init": "warm"}, ["init: expected gaussian"]),
        ({"kind": "train"}, ["spec: expected a specification's name or document, but found none"]),
        (TRAIN | {"hed.width": 3}, ["hed: expected no such key"]),
    ],
)
def test_mistakes_are_named_with_their_keys(document, messages):
    with pytest.raises(InvalidInputError) as error:
        run_spec(document)
    assert all(message in str(error.value) for message in messages)
    assert "problem" not in str(error.value)


def _columns(document: dict, folder: Path) -> tuple[dict, dict, dict]:
    result = run_spec(document).result(folder)
    json.dumps(result.document, allow_nan=False)
    return result.rows.to_pydict(), dict(result.arrays), dict(result.document)


def test_theory_has_one_row_per_known_point(tmp_path):
    problem = Problem(**SMALL)
    rows, _, document = _columns({"kind": "theory", **SMALL}, tmp_path)
    expected = overview(problem)
    assert rows["structure"] == [point.name for point in expected.points]
    assert rows["loss"] == [point.loss for point in expected.points]
    assert rows["dnc_loss"][0] == collapse(problem).loss
    assert rows["best"] == [name == expected.best for name in rows["structure"]]
    assert {name: entry["agrees"] for name, entry in document["rechecks"].items()}["T4"] is True


def test_theory_without_collapse_says_so_in_its_rows(tmp_path):
    rows, _, _ = _columns({"kind": "theory", "classes": 10, "layers": 2, "decay": 0.5}, tmp_path)
    assert rows["structure"] == ["zero"]
    assert (rows["dnc_exists"], rows["dnc_loss"]) == ([False], [None])


def test_landscape_has_one_row_per_minimum_and_its_logits(tmp_path):
    rows, arrays, document = _columns(DOCUMENTS[2], tmp_path)
    assert rows["loss"] == [found["loss"] for found in document["found"]]
    assert np.array_equal(arrays["logits"][0], document["minimum"]["logits"])


def test_simulate_has_one_row_per_seed_of_the_block(tmp_path):
    rows, arrays, document = _columns(SIMULATE | {"first_seed": 5}, tmp_path)
    ensemble = simulate(Problem(**SMALL), seeds=[5, 6, 7], lr=1.0)
    assert rows["seed"] == [5, 6, 7]
    assert rows["loss"] == ensemble.losses.tolist()
    assert rows["structure"] == [run.verdict.structure for run in ensemble.finished]
    assert rows["status"] == ["converged"] * 3
    assert np.array_equal(arrays["logits"], ensemble.logits)
    assert document["dnc"]["count"] == ensemble.dnc().count


def test_runs_that_diverge_have_a_row_without_an_end(tmp_path):
    rows, arrays, _ = _columns(SIMULATE | {"lr": 1000.0}, tmp_path)
    assert rows["status"] == ["diverged"] * 3
    assert rows["loss"] == [None] * 3
    assert arrays["logits"].shape == (0, 4, 4)


def test_a_block_goes_on_from_the_seeds_its_folder_holds(tmp_path):
    whole = run_spec(SIMULATE).result(tmp_path)
    file = tmp_path / "ended.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    again = run_spec(SIMULATE).result(tmp_path)
    assert (whole.notes["kept"], again.notes["kept"]) == (0, 1)
    assert again.rows.equals(whole.rows)


def test_train_has_one_row_and_its_trajectory(tmp_path):
    rows, arrays, document = _columns(TRAIN, tmp_path)
    assert rows["loss"] == [document["objective"]]
    assert rows["dnc_loss"] == [document["dnc_bound"]]
    assert rows["converged"] == [False]
    assert rows["decays"] == [[5e-5, 5e-3, 5e-3, 5e-3]]
    assert arrays["trajectory/objective"][-1] == document["objective"]
    assert "seconds" not in document
