"""The folder of a training run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import train_folder as module
from deepcollapse.experiments.train_folder import train_folder, write_json

DOCUMENT = {"name": "mine", "seed": 0}


def test_a_new_folder_is_made_and_one_of_the_same_run_entered_again(tmp_path: Path):
    for _ in range(2):
        with train_folder(tmp_path / "a" / "b", DOCUMENT):
            write_json(tmp_path / "a" / "b" / "spec.json", DOCUMENT)
    assert json.loads((tmp_path / "a" / "b" / "spec.json").read_text()) == DOCUMENT


def test_what_a_killed_run_leaves_before_its_specification_is_no_hindrance(tmp_path: Path):
    (tmp_path / "spec.json.part").write_text("{")
    with train_folder(tmp_path, DOCUMENT):
        pass


def refused(folder: Path, message: str, document: dict = DOCUMENT) -> None:
    with pytest.raises(InvalidInputError, match=message), train_folder(folder, document):
        raise AssertionError("entered")


def test_folders_of_something_else_are_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").touch()
    refused(tmp_path, r"folder: expected an empty one or a run, but found files in .*; name another$")
    write_json(tmp_path / "spec.json", DOCUMENT)
    refused(tmp_path, r"folder: expected a run with seed = 1, but found 0 in .*; name another", {**DOCUMENT, "seed": 1})
    refused(tmp_path, r"folder: expected a run with seed = null, but found 0 in", {"name": "mine"})
    refused(tmp_path, r"folder: expected a run with later = 1, but found null in", {**DOCUMENT, "later": 1})


@pytest.mark.parametrize("content", ["", "[1, 2]", "\xff", "[" * 10**5])
def test_a_damaged_specification_is_named(content: str, tmp_path: Path):
    (tmp_path / "spec.json").write_bytes(content.encode("latin-1"))
    refused(tmp_path, r"folder: expected a run, but found .*spec.json damaged .*; delete the folder, or name another")


def test_a_second_process_is_kept_out_until_the_first_ends(tmp_path: Path):
    hold = f"""
import fcntl, os, sys
fcntl.flock(os.open({str(tmp_path)!r}, os.O_RDONLY), fcntl.LOCK_EX)
print("inside", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        refused(tmp_path, r"folder: expected no other process to train in .*, but found one; wait for it, or name ano")
        process.kill()
    with train_folder(tmp_path, {}):
        refused(tmp_path, "expected no other process")  # nor the same process twice
    with train_folder(tmp_path, {}):
        pass


def test_without_locks_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(module.fcntl, "flock", no_locks)
    with train_folder(tmp_path, {}), train_folder(tmp_path, {}):
        pass
    monkeypatch.setattr(module, "fcntl", None)
    with train_folder(tmp_path, {}), train_folder(tmp_path, {}):
        pass
