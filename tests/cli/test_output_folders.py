"""Folders of output are made, or refused in one line before the work starts."""

from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store

SIZES = ("--classes", "3", "--layers", "1", "--decay", "0.1", "--seeds", "1", "--engine", "torch")
COMMANDS = {
    "figures.paper_figures": ("figures", "store", "--out"),
    "report.write_site": ("report", "store", "--out"),
    "reproduce.launch": ("reproduce", "--size", "quick", "--only", "T6", "--store", "store", "--out"),
    "sweep.launch": ("sweep", "plan.toml", "--store"),
    "demo.simulate": ("demo", "--out"),
    "simulate.run": ("simulate", *SIZES, "--keep"),
    "train.write_run": ("train", "digits", "descent.steps_max=2", "--out"),
    "atlas.keeping": ("atlas", "--build"),
}


@pytest.mark.parametrize("below", ["file", "file/folder", "file/folder/inner"])
@pytest.mark.parametrize("work", COMMANDS)
def test_a_folder_that_cannot_be_made_is_refused_before_the_work(work, below, tmp_path, monkeypatch, capsys):
    def started(*_, **__):
        raise AssertionError("the work was begun")

    monkeypatch.chdir(tmp_path)
    Store.create(tmp_path / "store")
    Path("plan.toml").write_text('name = "a"\nkind = "theory"\nrun = {classes = 3, layers = 1}\n', encoding="utf-8")
    Path("file").write_text("here", encoding="utf-8")
    if work != "atlas.keeping":
        monkeypatch.setattr(f"deepcollapse.cli.{work}", started)
    assert run([*COMMANDS[work], below]) == (1 if work == "sweep.launch" and below != "file" else 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "file" in error.partition(": ")[2]
    assert Path("file").read_text(encoding="utf-8") == "here"


@pytest.mark.parametrize("command", [COMMANDS["report.write_site"], COMMANDS["sweep.launch"]])
def test_a_folder_that_is_missing_is_made(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Store.create(tmp_path / "store")
    Path("plan.toml").write_text('name = "a"\nkind = "theory"\nrun = {classes = 3, layers = 1}\n', encoding="utf-8")
    serial = ("--launcher", "serial") * (command[0] == "sweep")
    assert run([*command, "some/where", *serial]) == 0
    assert any(Path("some/where").iterdir())
