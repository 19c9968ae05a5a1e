"""Ctrl-C: one line, exit code 1, and words that are true for the command."""

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store

SIZES = ("--classes", "3", "--layers", "1", "--decay", "0.1")
FROM_THE_START = "the same command starts from the beginning"


@pytest.fixture
def stopped(monkeypatch, capsys):
    """Runs a command of which one function is interrupted; its line on standard error."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    def called(function, *arguments):
        monkeypatch.setattr(f"deepcollapse.cli.{function}", interrupted)
        assert run([str(argument) for argument in arguments]) == 1
        return capsys.readouterr().err

    return called


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("theory.overview", ("theory", *SIZES)),
        ("spectrum.structure_spectrum", ("spectrum", *SIZES, "--at", "dnc")),
        ("landscape.search", ("landscape", *SIZES)),
        ("atlas.shipped_atlas", ("atlas",)),
        ("measure.measure_files", ("measure", "features.npz")),
        ("simulate.run", ("simulate", *SIZES)),
        ("simulate._stability", ("simulate", *SIZES, "--seeds", "1", "--engine", "torch", "--stability")),
        ("plan.expanded", ("plan", "plan.toml")),
    ],
)
def test_a_command_that_keeps_nothing_claims_nothing(function, arguments, stopped):
    assert stopped(function, *arguments) == f"deepcollapse: interrupted; {FROM_THE_START}\n"


@pytest.mark.parametrize(
    ("function", "command"), [("report.write_site", "report"), ("figures.paper_figures", "figures")]
)
def test_what_is_made_of_a_store_is_made_from_the_beginning(function, command, stopped, tmp_path):
    Store.create(tmp_path / "store")
    assert FROM_THE_START in stopped(function, command, tmp_path / "store", "--out", tmp_path / "out")


def test_training_goes_on_from_a_checkpoint(stopped, tmp_path):
    said = stopped("train.train_experiment", "train", "digits", "--out", tmp_path / "run")
    assert said == (
        f"deepcollapse: interrupted; the same command goes on from the last checkpoint in {tmp_path / 'run'}, if there "
        "is one yet\n"
    )


def test_building_an_atlas_goes_on(stopped, tmp_path):
    said = stopped("atlas.build_atlas", "atlas", "--build", tmp_path / "atlas.jsonl")
    assert f"the settings searched so far are in {tmp_path / 'atlas.jsonl'}, the same command goes on" in said


def test_ended_runs_that_are_kept_are_named(stopped, tmp_path):
    file = tmp_path / "ended.jsonl"
    said = stopped(
        "simulate._stability", "simulate", *SIZES, "--seeds", "1", "--engine", "torch", "--stability", "--keep", file
    )
    assert f"interrupted; the ended runs are in {file}, the same command goes on" in said
    assert file.is_file()


def test_a_reproduction_counts_the_runs_that_are_done(stopped, tmp_path):
    said = stopped("reproduce.launch", "reproduce", "--size", "quick", "--store", tmp_path / "store", "--only", "T6")
    assert "interrupted; 0 of " in said
    assert "runs are done, the same command goes on" in said
