"""The command line as a user meets it: JSON contract, tables, exit codes, messages."""

import json
import os

import pytest

from deepcollapse.cli.app import main, run

REFERENCE = ["--classes", "10", "--layers", "2", "--samples", "5", "--width", "70", "--decay", "2^-10"]


@pytest.fixture
def document(capsys):
    """Runs a command with --json and gives its document; standard output must hold nothing else."""

    def called(*arguments):
        assert run([*arguments, "--json"]) == 0
        captured = capsys.readouterr()
        assert captured.out.count("\n") == 1
        return json.loads(captured.out)

    return called


@pytest.fixture
def refusal(capsys):
    """Runs a command that must fail; its exit code and its one line on standard error."""

    def called(*arguments):
        code = run(list(arguments))
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("deepcollapse: ")
        assert captured.err.count("\n") == 1
        return code, captured.err

    return called


def test_theory_gives_its_contract(document):
    found = document("theory", *REFERENCE)
    assert (
        found["dnc"]
        | {
            "exists": True,
            "scale": pytest.approx(7.0375384944, abs=1e-10),
            "loss": pytest.approx(0.090662183213, abs=1e-12),
            "rank": 9,
            "decay_max": pytest.approx(0.050445672, abs=1e-9),
            "stable": True,
        }
        == found["dnc"]
    )
    assert found["dnc"]["stable_scale_min"] == pytest.approx(10 / 3, rel=1e-12)
    losses = [s["loss"] for s in found["structures"]]
    assert losses == sorted(losses)
    assert found["best"] == found["structures"][0]["name"] == "paired"
    assert set(found["theorems"]) == {"T1", "T2", "T3", "T4", "T5", "T6", "T7"}
    assert found["theorems"]["T1"]["applies"]
    assert found["theorems"]["T1"]["holds"]
    assert found["dimension"]["dnc"]["exact"] == 1170
    assert found["dimension"]["ratio_limit"] == pytest.approx(9 / 5)


def test_theory_without_collapse_is_no_error(document):
    found = document("theory", "--classes", "10", "--layers", "2", "--samples", "5", "--decay", "0.2")
    assert found["dnc"]["exists"] is False
    assert found["dnc"]["loss"] is None


def test_collapse_under_imbalance_is_marked_a_trial_point(document):
    found = document("theory", "--classes", "4", "--layers", "2", "--samples", "5,3,2,1")
    assert found["dnc"]["critical"] is False
    assert document("theory", "--classes", "4", "--layers", "2")["dnc"]["critical"] is True


def test_narrow_width_says_what_still_holds(document):
    found = document("theory", "--classes", "10", "--layers", "2", "--width", "6")
    assert found["dnc"]["exists"] is False
    assert all(s["rank"] <= 6 for s in found["structures"])
    assert any("width: expected at least" in note for note in found["notes"])


def test_rigorous_theory_gives_its_contract(document):
    found = document("theory", "--classes", "6", "--layers", "3", "--rigorous")["certificate"]
    assert found["verified"] is True
    assert found["competitor_upper_bound"] < found["dnc_lower_bound"]


def test_spectrum_gives_its_contract(document):
    found = document("spectrum", "--at", "dnc", *REFERENCE)
    assert sum(e["multiplicity"] for e in found["eigenvalues"]) == found["parameters"] == 700 + 4900 + 3500
    assert found["nullity"] == 1170
    assert found["positive_semidefinite"] is True
    assert found["verdict"] == "Morse-Bott minimum"
    assert found["min"] == min(e["value"] for e in found["eigenvalues"])
    assert found["max"] == max(e["value"] for e in found["eigenvalues"])
    traced = sum(e["value"] * e["multiplicity"] for e in found["eigenvalues"])
    assert found["trace"] == pytest.approx(traced, rel=1e-9)


def test_spectrum_with_one_decay_per_factor(document):
    found = document("spectrum", "--at", "paired", "--classes", "4", "--layers", "2", "--decay", "1e-3,2e-3,4e-3")
    assert found["parameters"] == 16 + 16 + 16


def test_landscape_gives_its_contract(document):
    found = document("landscape", "--classes", "4", "--layers", "3", "--restarts", "2")
    assert found["minimum"]["structure"] == "paired"
    assert len(found["minimum"]["logits"]) == 4
    assert found["minimum"]["loss"] < found["dnc_loss"]
    assert found["restarts"] == 6
    assert found["found"][0]["loss"] == found["minimum"]["loss"]


def test_simulate_gives_its_contract(document):
    found = document(
        "simulate", "--classes", "4", "--layers", "2", "--width", "8", "--decay", "2^-5", "--seeds", "4", "--lr", "1"
    )
    assert found["runs"] == 4
    assert 0 <= found["dnc"]["count"] <= found["converged"] <= 4
    assert {"ranks", "structures", "losses", "engine", "seconds", "model_steps_per_second", "engine_reason"} <= set(
        found
    )


def test_the_engine_is_named_with_its_reason(document):
    arguments = ["simulate", "--classes", "3", "--layers", "1", "--seeds", "2", "--decay", "0.05"]
    found = document(*arguments, "--engine", "torch")
    assert (found["engine"], found["engine_reason"]) == ("torch float64 cpu", "as asked")
    assert document(*arguments)["engine_reason"] != "as asked"


def test_a_horizon_too_short_is_reported_not_counted(document):
    found = document("simulate", "--classes", "3", "--layers", "2", "--seeds", "2", "--steps-max", "10")
    assert found["converged"] == 0
    assert found["dnc"]["rate"] is None


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (("7", "4", "2^-14"), "Best: unnamed-rank-3, carried from the atlas entry of rank 3 at 2^-"),
        (("6", "2", "2^-10"), "Best: paired\n"),
        (("6", "2", "1"), "Best: zero\n"),
    ],
)
def test_the_best_point_says_where_it_comes_from(size, said, capsys):
    assert run(["theory", "--classes", size[0], "--layers", size[1], "--decay", size[2]]) == 0
    assert said in capsys.readouterr().out


def test_atlas_passes_its_check(document):
    found = document("atlas", "--check")
    assert len({(entry["classes"], entry["layers"]) for entry in found["entries"]}) == 120
    assert found["faults"] == []
    assert {row["decay"] for row in found["lowest"]} >= {2.0**-e for e in range(3, 21)}


@pytest.mark.parametrize(
    "arguments",
    [
        ["theory", *REFERENCE, "--rigorous"],
        ["theory", "--classes", "3", "--layers", "2", "--decay", "9"],
        ["spectrum", "--at", "paired", "--classes", "4", "--layers", "2"],
        ["landscape", "--classes", "3", "--layers", "2", "--restarts", "1"],
        ["simulate", "--classes", "3", "--layers", "1", "--seeds", "2", "--decay", "0.05"],
        ["atlas"],
    ],
)
def test_tables_are_printed_for_people(arguments, capsys):
    assert run(arguments) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) > 4
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["theory", "--classes", "1", "--layers", "2"], "classes: expected a whole number >= 2, but found 1"),
        (["theory", "--classes", "4", "--layers", "0"], "layers: expected a whole number >= 1, but found 0"),
        (["theory", "--classes", "4", "--layers", "2", "--samples", "0"], "samples: expected a whole number >= 1"),
        (
            ["theory", "--classes", "4", "--layers", "2", "--samples", "1.5"],
            "samples: expected a whole number, but found",
        ),
        (["theory", "--classes", "4", "--layers", "2", "--decay", "-1"], "decay: expected a finite number > 0"),
        (["theory", "--classes", "4", "--layers", "2", "--decay", "nan"], "decay: expected a number such as 0.001"),
        (
            ["theory", "--classes", "4", "--layers", "2", "--decay", "2^x"],
            "decay: expected a number such as 0.001 or 2^-10",
        ),
        (["theory", "--classes", "4", "--layers", "2", "--decay", "1,2"], "decay: expected 3 numbers, one per factor"),
        (["theory", "--classes", "x", "--layers", "2"], "expected a number such as 0.001 or 2^-10"),
        (["theory", "--classes", "4"], "requires an argument"),
        (["spectrum", "--at", "nonsense", "--classes", "4", "--layers", "2"], "structure: expected dnc, simplex,"),
        (["spectrum", "--at", "T5", "--classes", "9", "--layers", "2"], "= 10 classes for T5, but found 9"),
        (["spectrum", "--at", "paired-trial", "--classes", "5", "--layers", "2"], "expected a critical point"),
        (["spectrum", "--at", "dnc", "--classes", "4", "--layers", "2", "--decay", "1"], "expected a decay below"),
        (["spectrum", "--at", "dnc", "--classes", "6", "--layers", "2", "--width", "3"], "width: expected at least"),
        (["landscape", "--classes", "4", "--layers", "2", "--restarts", "0"], "restarts: expected at least 1"),
        (["simulate", "--classes", "4", "--layers", "2", "--lr", "0"], "expected"),
        (["simulate", "--classes", "4", "--layers", "2", "--seeds", "0"], "expected"),
        (["simulate", "--classes", "4", "--layers", "2", "--seeds", "2.5"], "expected a whole number, but found 2.5"),
        (["simulate", "--classes", "4", "--layers", "2", "--device", "meta"], "device: expected a device that holds"),
        (
            ["simulate", "--classes", "4", "--layers", "2", "--lr", "1e-12"],
            "steps_max: expected lr * decay large enough",
        ),
        (["theory", "--classes", "4.5", "--layers", "2"], "classes: expected a whole number, but found 4.5"),
        (["theory", "--classes", "100000", "--layers", "2"], "classes: expected at most 4000 to list all structures"),
        (["theory", "--classes", "4", "--layers", "2", "--decay", "2^-1000"], "decay: expected a number from 1e-290"),
        (["theory", "--classes", "4", "--layers", "2", "--decay", "1e300"], "decay: expected a number from 1e-290"),
        (["landscape", "--classes", "1000", "--layers", "2"], "classes: expected at most 256 for a search"),
        (["landscape", "--classes", "4", "--layers", "2", "--seed", "-1"], "seed: expected a whole number >= 0"),
        (["landscape", "--classes", "4", "--layers", "2", "--activation", "relu"], 'activation: expected "linear"'),
        (["spectrum", "--classes", "4", "--layers", "2"], "point: expected either --at NAME or --logits FILE"),
        (["spectrum", "--logits", "/nowhere.npy", "--classes", "4", "--layers", "2"], "file: expected a path that can"),
        (["atlas", "--build", "/nowhere/atlas.jsonl"], "file: expected a path that can be read or written"),
        (["demo", "--seeds", "0"], "seeds: expected at least 1, but found 0"),
        (["demo", "--out", "/dev/null/page"], "file: expected a path that can be read or written"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(refusal, arguments, message):
    code, line = refusal(*arguments)
    assert code == 2
    assert message in line


def test_a_searched_minimum_can_be_handed_to_spectrum(document, capsys, tmp_path):
    """The unnamed rank-3 code of ten classes, from one command to the next."""
    model = ["--classes", "10", "--layers", "3", "--width", "12"]
    assert run(["landscape", *model, "--rank", "3", "--restarts", "8", "--json"]) == 0
    path = tmp_path / "found.json"
    path.write_text(capsys.readouterr().out)
    found = document("spectrum", "--logits", str(path), *model)
    assert found["nullity"] == found["solution_dimension"] == 3 * (3 * 12 - 6)
    assert found["verdict"] == "Morse-Bott minimum"


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"", b"\xff", b"[" * 10**5, b'{"minimum": 3}', b'{"minimum": {}}', b'{"minimum": {"logits": {}}}']
    + [b'{"minimum": {"logits": %s}}' % logits for logits in (b'"a"', b"[[1], [2, 3]]", b"[[1%s]]" % (b"0" * 400))],
)
def test_logits_that_are_no_matrix_are_refused(refusal, tmp_path, content):
    path = tmp_path / "found.json"
    path.write_bytes(content)
    code, line = refusal("spectrum", "--logits", str(path), "--classes", "4", "--layers", "2")
    assert code == 2
    assert "logits: expected a .npy matrix or what `landscape --json` wrote" in line


def test_convergence_can_be_required(capsys):
    arguments = ["simulate", "--classes", "3", "--layers", "2", "--seeds", "2", "--steps-max", "10"]
    assert run(arguments) == 0
    assert run([*arguments, "--require-converged"]) == 1
    assert "converged: expected all 2 runs to converge or settle, but found 0 (2 not converged); raise --steps-max" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("changes", [["--width", "4"], ["--decay", "0.5"]])
def test_landscape_without_collapse_says_so(document, changes):
    assert document("landscape", "--classes", "6", "--layers", "2", "--restarts", "1", *changes)["dnc_loss"] is None


def test_numbers_are_not_cut_where_there_is_no_terminal(capsys):
    assert run(["atlas"]) == 0
    assert "0.00616271105" in capsys.readouterr().out


def test_a_disk_that_refuses_without_naming_a_file(monkeypatch, capsys):
    def refuse(*_args, **_kwargs):
        raise OSError("the disk is full")

    monkeypatch.setattr("deepcollapse.cli.app.app", refuse)
    assert run([]) == 2
    assert "but found: the disk is full; choose one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)]
)
def test_threads_spin_for_a_moment_unless_the_environment_says_otherwise(monkeypatch, given, expected):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that what is set is undone
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["plan"])
    assert os.environ.get("GOMP_SPINCOUNT") == expected
