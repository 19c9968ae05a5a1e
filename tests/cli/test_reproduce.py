"""``deepcollapse reproduce`` as a user meets it: the ledger, the page, and a run that is killed and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store
from reproduce.tiny import tiny_plans

SERIAL = ["--launcher", "serial"]
COMMAND = """
import sys
from pathlib import Path
from reproduce.tiny import replace_plans
from deepcollapse.cli.app import main
if __name__ == "__main__":
    replace_plans(Path(sys.argv.pop(1)))
    main()
"""


@pytest.fixture(autouse=True)
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tiny_plans(tmp_path / "plans")
    monkeypatch.setattr("deepcollapse.reproduce.plan_files.FOLDER", folder)
    return folder


def test_the_ledger_is_written_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture):
    store = tmp_path / "store"
    arguments = ["reproduce", "--size", "quick", "--store", str(store), "--only", "T2,t4,E5", *SERIAL]
    assert run([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert (captured.out.count("\n"), captured.err) == (1, "")
    document = json.loads(captured.out)
    assert document == json.loads((store / "ledger.json").read_text())
    assert [claim["id"] for claim in document["claims"]] == ["E5", "T2", "T4"]
    assert run(arguments) == 0
    text = capsys.readouterr().out
    assert "Claims: reproduction quick of E5 T2 T4" in text
    assert "T4: Stable in " in text
    assert "E5: Out of reach: E5-cifar10-resnet: the run failed: " in text
    assert "nowhere: expected cifar10 as data_batch_1" in text
    assert f"Ledger: {store / 'ledger.json'}" in text


def test_page_and_figures_are_written_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "page"
    arguments = ["reproduce", "--size", "quick", "--store", str(tmp_path / "store"), "--only", "E1", *SERIAL]
    assert run([*arguments, "--out", str(out)]) == 0
    assert f"Report: {out / 'index.html'}" in capsys.readouterr().out
    assert (out / "index.html").exists()
    assert (out / "figures").is_dir()


def test_a_run_that_goes_wrong_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def broken(*_: object, **__: object):
        raise ArithmeticError("doomed")

    arguments = ["reproduce", "--size", "quick", "--store", str(tmp_path / "store"), "--only", "T2", *SERIAL]
    with monkeypatch.context() as patch:
        patch.setattr("deepcollapse.experiments.theory_run.overview", broken)
        assert run(arguments) == 1
    captured = capsys.readouterr()
    assert "T2: Out of reach: T2: 2 of 2 runs failed: doomed" in captured.out
    assert captured.err.count("failed: ArithmeticError: doomed") == 2
    assert (tmp_path / "store" / "ledger.json").exists()
    assert run([*arguments, "--retry"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "tiny"], "Invalid value"),
        (["--size", "quick", "--only", "E9"], "only: expected some of E1, "),
        (["--size", "quick", "--only", "T6"], "only: expected claims that the size quick has runs for, but found T6"),
        (["--size", "quick", "--only", "E5", "--cifar10", "nothing.npz"], "data.path: expected a file of images"),
        (["--size", "quick", "--only", "T2", "--address", "here"], "address: expected none with the launcher pool"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(["reproduce", "--store", str(tmp_path / "store"), *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert message in captured.err
    assert not (tmp_path / "store").exists()


def test_killed_and_started_again_it_comes_to_the_same_ledger(
    tmp_path: Path, plans: Path, capsys: pytest.CaptureFixture
):
    arguments = ["--size", "quick", "--only", "T2,T4,E1", "--json"]
    killed = tmp_path / "killed"
    process = started(plans, killed, *arguments, "--workers", "2")
    while len(done(killed)) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    left = times(killed)
    assert 3 <= len(left) <= 12
    assert not (killed / "ledger.json").exists()

    again = started(plans, killed, *arguments, *SERIAL)
    output, _ = again.communicate()
    assert again.returncode == 0
    assert left.items() <= times(killed).items()  # nothing is done twice
    whole = tmp_path / "whole"
    assert run(["reproduce", "--store", str(whole), *arguments, *SERIAL]) == 0
    assert output == capsys.readouterr().out
    assert (killed / "ledger.json").read_bytes() == (whole / "ledger.json").read_bytes()
    assert Store.open(killed).table().equals(Store.open(whole).table())


def started(plans: Path, store: Path, *arguments: str) -> subprocess.Popen:
    """The command in a process group of its own."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(plans), "reproduce", "--store", str(store), *arguments],
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


def done(store: Path) -> list[str]:
    folder = store / "runs"
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def times(store: Path) -> dict[str, int]:
    """When each finished run was written."""
    return {id: (store / "runs" / id / "rows.parquet").stat().st_mtime_ns for id in done(store)}
