"""Advice on the command line works when it is followed: each refusal, then the same command with its advice taken."""

import json
import shlex

import numpy as np
import pytest

from deepcollapse.cli.app import run

MODEL = "--classes 4 --layers 1"
ENSEMBLE = f"simulate {MODEL} --engine torch"
TINY = f"{ENSEMBLE} --seeds 2 --steps-max 5"
SHARD = "measure features.npz"
NEAR = f"{TINY} --init near-dnc --init-distance 0.1"
SERIAL = "sweep plan.toml --store s --launcher serial"
DIGITS = "train digits descent.steps_max=1 analysis.polish=false data.per_class=10"
PLAN = 'name = "few"\nkind = "theory"\nrun = {layers = 1}\ngrid = {classes = [3, 4]}\n'
REFUSALS = [
    ("theory --classes 1 --layers 1", "classes: expected a whole number >= 2", "theory --classes 2 --layers 1"),
    ("theory --classes 4.5 --layers 1", "classes: expected a whole number", f"theory {MODEL}"),
    ("theory --classes 10^20 --layers 1", "classes: expected a number below 2^63", "theory --classes 10^2 --layers 1"),
    (f"theory {MODEL} --decay 0.001.2", "decay: expected a number such as", f"theory {MODEL} --decay 2^-10"),
    (f"theory {MODEL} --decay 10^999", "decay: expected a finite real number", f"theory {MODEL} --decay 10^-5"),
    (f"theory {MODEL} --decay 0", "decay: expected a finite number > 0", f"theory {MODEL} --decay 2^-20"),
    (f"theory {MODEL} --decay .1,.1,.1", "decay: expected 2 numbers", f"theory {MODEL} --decay .01"),
    (f"theory {MODEL} --samples 2,2", "samples: expected 4 numbers", f"theory {MODEL} --samples 2"),
    (f"spectrum {MODEL}", "point: expected either --at NAME", f"spectrum {MODEL} --at dnc"),
    (f"spectrum {MODEL} --at none", "structure: expected dnc, simplex", f"spectrum {MODEL} --at paired"),
    (f"spectrum {MODEL} --at T5", "structure: expected K = m", "spectrum --classes 10 --layers 1 --at T5"),
    (f"spectrum {MODEL} --at dnc --decay 1", "simplex: scale: expected a decay below", f"spectrum {MODEL} --at dnc"),
    (f"spectrum {MODEL} --logits text.npy", "logits: expected a .npy matrix", f"spectrum {MODEL} --logits paired.npy"),
    (f"spectrum {MODEL} --logits empty.npy", "logits: expected a .npy matrix", f"spectrum {MODEL} --logits paired.npy"),
    (f"spectrum {MODEL} --logits deep.json", "logits: expected a .npy matrix", f"spectrum {MODEL} --logits paired.npy"),
    (f"landscape {MODEL} --seed -1", "seed: expected a whole number >= 0", f"landscape {MODEL} --seed 1 --restarts 1"),
    (f"landscape {MODEL} --restarts 0", "restarts: expected", "landscape --classes 3 --layers 1 --restarts 20"),
    (f"landscape {MODEL} --rank 9", "ranks: expected numbers from 1 to 3", f"landscape {MODEL} --rank 3 --restarts 1"),
    (f"landscape {MODEL} --activation relu", 'activation: expected "linear"', f"landscape {MODEL} --restarts 1"),
    (f"{ENSEMBLE} --seeds 0", "seeds: expected at least one", TINY),
    (f"{ENSEMBLE} --seeds 10^9", "seeds: expected at most", TINY),
    (f"{TINY} --lr 0", "lr: expected a finite number > 0", f"{TINY} --lr 0.1"),
    (f"{TINY} --tol 1", "tolerance: expected at most decay / 100", f"{TINY} --tol 9e-6"),
    (f"{TINY} --beta .5", "beta: expected none for gd", f"{TINY} --beta .5 --optimiser momentum"),
    (f"{TINY} --optimiser momentum --beta 1", "beta: expected a number", f"{TINY} --optimiser momentum"),
    (f"{TINY} --optimiser adam --lr auto", "optimiser: expected one whose", f"{TINY} --optimiser adam --lr 0.01"),
    (f"{TINY} --init nowhere", "init: expected gaussian", f"{TINY} --init orthogonal"),
    (f"{TINY} --init near-dnc", "init_distance: expected a finite", f"{TINY} --init near-dnc --init-distance .1"),
    (f"{NEAR} --init-scale 2", "init_scale: expected 1", NEAR),
    (f"{TINY} --init-distance .1", "init_distance: expected none", f"{TINY} --init-distance .1 --init near-dnc"),
    (f"{TINY} --audit 1", "audit: expected 0 without an acceleration", f"{TINY} --audit 1 --accelerate balance"),
    (f"{TINY} --watch 3", "watch: expected a number from 0 to the 2 seeds", f"{TINY} --watch 2"),
    (f"{TINY} --accelerate balance --decay .1,.2", "decay: expected one for all", f"{TINY} --decay .1,.2"),
    (f"{TINY} --device nowhere", "device: expected a device that holds", f"{TINY} --device cpu"),
    (f"{TINY} --keep text.npy", "keep: expected runs kept by simulate", f"{TINY} --keep other.jsonl"),
    (f"{TINY} --keep no/where.jsonl", "keep: expected a file that can be", f"{TINY} --keep where.jsonl"),
    (f"simulate {MODEL} --engine cpu --optimiser adam", "optimiser: expected plain", f"{TINY} --optimiser adam"),
    ("plan", "plan: expected one TOML file", "plan plan.toml"),
    ("plan none.toml", "plan: expected a TOML file", "plan plan.toml"),
    ("plan text.npy", "text.npy: expected TOML", "plan plan.toml"),
    (f"{SERIAL} --lease 0", "lease: expected seconds > 0", f"{SERIAL} --lease 120"),
    (f"{SERIAL} --threads 0", "threads: expected a number >= 1", f"{SERIAL} --threads 1"),
    ("status", "store: expected the folder of one store", "status store"),
    ("query store", "query: expected STORE and SQL", "query store 'SELECT count(*) FROM runs'"),
    ("query store 'SELECT 1' --json --csv", "query: expected --json or --csv", "query store 'SELECT 1' --json"),
    ("report store", "out: expected a folder for the page", "report store --out page"),
    ("measure none.npz", "file: expected features", "measure features.npz"),
    ("measure text.npy", "file: expected .npz, .safetensors", "measure features.npz"),
    ("measure features.npz features.npz", "files: expected at least one, and each once", "measure features.npz"),
    ("measure features.npz --rtol 1", "rtol: expected a number from 0", "measure features.npz --rtol 1e-3"),
    (f"{SHARD} --classes 4", "classes: expected samples of all 4", f"{SHARD} --classes 4 --drop-empty"),
    ("train nothing", "spec: expected a TOML file or one of", f"{DIGITS} --out run"),
    (f"{DIGITS} head.width", "override: expected part.key=value", f"{DIGITS} head.width=16 --out narrow"),
    (f"{DIGITS} name.x=1", "override: expected a table at name", f"{DIGITS} name=1x --out named"),
    (f"{DIGITS} --out taken", "folder: expected an empty one or a run", f"{DIGITS} --out another"),
]  # fmt: skip
ROWS = [
    pytest.param(*row, id=row[0], marks=[pytest.mark.slow] * row[0].startswith(DIGITS))  # each trains a network
    for row in REFUSALS
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that the commands name."""
    folder = tmp_path_factory.mktemp("remedies")
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    (folder / "text.npy").write_text("no array and no TOML", encoding="utf-8")
    (folder / "empty.npy").touch()
    (folder / "deep.json").write_text("[" * 10**5, encoding="utf-8")
    (folder / "taken").mkdir()
    (folder / "taken" / "file").touch()
    labels = np.arange(30) % 3
    np.savez(
        folder / "features.npz", features=np.random.default_rng(0).normal(size=(30, 4)) + labels[:, None], labels=labels
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(shlex.split("sweep plan.toml --store store --launcher serial")) == 0
    return folder


@pytest.fixture
def called(folder, monkeypatch, capsys):
    """Runs a command in that folder; its exit code and what it says on standard error."""
    monkeypatch.chdir(folder)

    def call(command):
        return run(shlex.split(command)), capsys.readouterr().err

    return call


@pytest.fixture
def matrix(called, folder, capsys):
    """Saves the logits of a critical point, as the advice about logits says."""
    assert run(shlex.split(f"landscape {MODEL} --restarts 1 --json")) == 0
    logits = np.array(json.loads(capsys.readouterr().out)["minimum"]["logits"])
    np.save(folder / "paired.npy", logits)


@pytest.mark.usefixtures("matrix")
@pytest.mark.parametrize(("command", "says", "followed"), ROWS)
def test_the_advice_of_a_command_works(command, says, followed, called):
    code, error = called(command)
    assert code == 2
    assert error.startswith(f"deepcollapse: {says}")
    assert "; " in error
    assert called(followed)[0] == 0


def test_an_ensemble_that_did_not_converge_does_with_more_steps(called):
    code, error = called(f"{TINY} --require-converged")
    assert code == 1
    assert "; raise --steps-max or lower --lr" in error
    assert called(f"{ENSEMBLE} --seeds 2 --steps-max 10^6 --require-converged")[0] == 0


@pytest.mark.parametrize(("launcher", "option"), [("slurm", "hours 1"), ("slurm", "memory 1")])
def test_options_of_another_launcher_lead_to_that_launcher(launcher, option, called):
    command = f"sweep plan.toml --store other --{option}"
    code, error = called(command)
    assert code == 2
    assert f"expected none with the launcher pool, but found {option.split()[1]}" in error
    assert error.endswith(f"add --launcher {launcher}\n")
    assert "with the launcher" not in called(f"{command} --launcher {launcher}")[1]


def test_figures_want_a_folder(called):
    assert called("figures store") == (
        2,
        "deepcollapse: out: expected a folder for the figures, but found none; add --out DIR\n",
    )
    assert called("figures store --out figures")[1] == ""
