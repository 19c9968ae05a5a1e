"""``deepcollapse train`` as a user meets it."""

import json
from pathlib import Path

import pytest

from deepcollapse.cli.app import run

TINY = ["data.per_class=10", "backbone.hidden=[8]", "head.width=10", "decay.features=5e-4"]
TINY += ["descent.steps_max=40", "descent.looks=3", "analysis.layers=false"]


@pytest.fixture
def without_page(monkeypatch: pytest.MonkeyPatch):
    """Figures take longer than these runs; one test writes them."""
    monkeypatch.setattr("deepcollapse.cli.train.write_run", lambda folder, _: folder / "index.html")


def test_a_run_leaves_its_folder_and_its_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture, request: pytest.FixtureRequest
):
    folder = tmp_path / "run"
    assert run(["train", "digits", *TINY, "--out", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    assert (captured.out.count("\n"), captured.err) == (1, "")
    found = json.loads(captured.out)
    assert found == json.loads((folder / "summary.json").read_text())
    files = {file.name for file in folder.iterdir()}
    assert files == {
        "arrays.safetensors", "checkpoints", "figures", "index.html", "looks.jsonl", "spec.json", "summary.json"
    }  # fmt: skip
    request.getfixturevalue("without_page")
    assert run(["train", "digits", *TINY, "--out", str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("digits, MLP, linear head of 3 layers: not converged after 40 updates (40 epochs")
    assert "Rank of the class-mean logits: " in text
    assert "With free features the nearest critical point is" in text
    assert f"Report: {folder / 'index.html'}" in text


@pytest.mark.usefixtures("without_page")
def test_the_default_folder_has_the_name_of_the_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert run(["train", "digits", *TINY, "analysis.polish=false"]) == 0
    assert (tmp_path / "runs" / "digits" / "summary.json").exists()


@pytest.mark.usefixtures("without_page")
def test_standard_decay_says_that_the_bound_is_an_estimate(tmp_path: Path, capsys: pytest.CaptureFixture):
    standard = "decay={kind='standard', weights=1e-3}"
    tiny = [entry for entry in TINY if "decay" not in entry]
    assert run(["train", "digits", *tiny, standard, "--out", str(tmp_path / "run")]) == 0
    assert "Under standard decay the bound is an estimate" in capsys.readouterr().out


@pytest.mark.usefixtures("without_page")
def test_a_head_too_narrow_to_collapse_says_why_there_is_no_bound(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(["train", "digits", *TINY, "head.width=8", "--out", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    assert "no bound, because the head is too narrow to collapse." in text
    assert "Held against no bound: width: expected features of at least 9 dimensions" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "spec: expected a TOML file or one of cifar10-relu-full, "),
        (["mnits"], "but found 'mnits'; name one"),
        (["digits", "head.width=wide"], "head.width: expected a valid integer"),
        (["digits", "data.source=cifar10", "data.path=/nowhere"], "expected cifar10 as data_batch_1"),
        (["digits", "device=tpu9"], "device: expected"),
    ],
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(["train", *arguments, "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "summary.json").exists()
