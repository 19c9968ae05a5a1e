"""Options of ``deepcollapse simulate`` beyond the plain ensemble."""

import json

import pytest

import deepcollapse.cli.simulate
from deepcollapse.cli.app import run

SMALL = ["simulate", "--classes", "4", "--layers", "2", "--width", "12", "--decay", "0.02", "--seeds", "6"]


@pytest.fixture
def called(capsys):
    """Runs a command; its exit code, standard output and standard error."""

    def call(*arguments):
        code = run([*SMALL, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def document(called):
    def call(*arguments):
        code, out, _ = called(*arguments, "--json")
        assert code == 0
        return json.loads(out)

    return call


def test_an_accelerated_ensemble_is_audited(document, called):
    plain, found = document(), document("--accelerate", "balance", "--audit", "3")
    assert found["structures"] == plain["structures"]
    assert "balanced" in found["engine"]
    assert (found["audit"]["audited"], found["audit"]["disagreement"]["count"]) == (3, 0)
    assert (
        "Audit: 0 of 3 runs end elsewhere without acceleration: rate 0.000, 95%"
        in called("--accelerate", "balance", "--audit", "3")[1]
    )


def test_ends_are_told_apart_by_their_hessian(document, called):
    found = document("--stability")
    assert sum(found["stability"].values()) == found["converged"] == len(found["stabilities"])
    assert all(kind["positive_semidefinite"] for kind in found["stabilities"])
    assert "Morse-Bott minimum" in called("--stability")[1]


def test_the_first_runs_are_watched(document):
    found = document("--watch", "2")
    first, second = found["trajectories"]
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["step"][0] == 0
    assert first["step"][-1] == found["ends"][0]["steps"]
    assert first["loss"][-1] == pytest.approx(found["losses"][0], abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "initialisation", "optimiser"),
    [
        (["--init", "orthogonal", "--init-scale", "0.8"], "orthogonal, scale 0.8", "gradient descent"),
        (["--init", "near-dnc", "--init-distance", "0.1"], "near-dnc, distance 0.1", "gradient descent"),
        (["--optimiser", "momentum", "--lr", "0.2"], "gaussian, scale 1", "momentum 0.9"),
        (["--optimiser", "momentum", "--beta", "0.5"], "gaussian, scale 1", "momentum 0.5"),
    ],
)
def test_starts_and_steps_are_chosen_and_reported(document, arguments, initialisation, optimiser):
    found = document(*arguments)
    assert (found["initialisation"], found["optimiser"]) == (initialisation, optimiser)
    assert found["converged"] == 6


def test_a_stable_learning_rate_is_chosen(document):
    found = document("--lr", "auto")
    assert found["lr"] > 0.5
    assert found["converged"] == 6
    assert document("--lr", "auto", "--optimiser", "momentum")["lr"] < found["lr"]


def test_an_interrupted_simulation_goes_on(called, document, monkeypatch, tmp_path):
    path = tmp_path / "runs.jsonl"
    whole = document()
    simulate = deepcollapse.cli.simulate.run

    def interrupted(*arguments, ledger, **settings):
        def add(seed, end, keep=ledger.add):
            keep(seed, end)
            if len(ledger.ended) == 2:
                raise KeyboardInterrupt

        class Stopping:
            ended = ledger.ended

        Stopping.add = staticmethod(add)
        return simulate(*arguments, ledger=Stopping(), **settings)

    with monkeypatch.context() as patch:
        patch.setattr(deepcollapse.cli.simulate, "run", interrupted)
        code, out, err = called("--keep", str(path), "--json")
    assert code == 1
    assert "interrupted: expected 6 ends, but " in err
    assert "run the same command to go on" in err
    assert json.loads(out)["converged"] == 2
    found = document("--keep", str(path))
    assert (found["converged"], found["interrupted"]) == (6, 0)
    assert found["losses"] == whole["losses"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audit", "2"], "audit: expected 0 without an acceleration, but found 2; add --accelerate balance"),
        (["--audit", "7", "--accelerate", "balance"], "audit: expected a number from 0 to the 6 seeds, but found 7"),
        (["--watch", "-1"], "watch: expected a number from 0 to the 6 seeds, but found -1"),
        (["--init", "zeros"], "init: expected gaussian, pytorch, orthogonal, spectral or near-<structure>, but found"),
        (["--init", "near-T5", "--init-distance", "1"], "init: expected one of near-dnc"),
        (["--init", "near-dnc"], "init_distance: expected a finite number > 0, but found None"),
        (["--init-scale", "-1"], "init_scale: expected a finite number > 0, but found -1"),
        (["--beta", "0.9"], "beta: expected none for gd, but found 0.9; it belongs to momentum"),
        (["--optimiser", "momentum", "--beta", "2"], "beta: expected a number"),
        (["--optimiser", "adam", "--engine", "cpu"], "optimiser: expected plain gradient descent for the compiled"),
        (["--accelerate", "balance", "--activation", "relu"], "activation: expected"),
        (["--lr", "auto", "--optimiser", "adam"], "optimiser: expected one whose steps grow with the gradient"),
        (["--keep", "/nowhere/runs"], "keep: expected a file that can be read and written, but found /nowhere/runs"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_two(called, arguments, message):
    code, out, err = called(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
