"""``deepcollapse sweep`` as a user meets it."""

import io
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

QUICK = """
name = "quick"
kind = "simulate"
[run]
classes = 2
layers = 1
lr = 1.0
engine = "torch"
steps_max = 20
[seeds]
count = 4
block = 1
"""
BROKEN = """
name = "broken"
[[parts]]
name = "good"
kind = "theory"
run = {classes = 2, layers = 1}
[[parts]]
name = "bad"
kind = "train"
[parts.run.spec]
name = "broken"
data.source = "digits"
decay = {kind = "standard", weights = 1e-3}
backbone = {kind = "factory", factory = "sweep.doomed:broken"}
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return str(path)


def test_a_sweep_is_done_once(tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = ["sweep", written(tmp_path, QUICK), "--store", str(tmp_path / "store")]
    assert run([*arguments, "--launcher", "serial", "--json"]) == 0
    captured = capsys.readouterr()
    assert (captured.out.count("\n"), captured.err) == (1, "")
    found = json.loads(captured.out)
    assert found.pop("seconds") > 0
    assert sum(found.pop("ends").values()) == 4
    assert found == {"plan": "quick", "total": 4, "done": 4, "failed": 0, "launcher": "serial", "workers": 1}
    table = Store.open(tmp_path / "store").table()
    assert run([*arguments, "--workers", "1", "--threads", "1"]) == 0
    assert capsys.readouterr().out.startswith("4 of 4 runs done, 0 failed; ")
    assert Store.open(tmp_path / "store").table().equals(table)


def test_failed_runs_are_named_and_tried_again_on_request(tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = ["sweep", written(tmp_path, BROKEN), "--store", str(tmp_path / "store"), "--launcher", "serial"]
    assert run(arguments) == 1
    text = capsys.readouterr().out
    assert text.startswith("1 of 2 runs done, 1 failed; ")
    assert "ArithmeticError('doomed')" in text
    assert "--retry tries them again" in text
    assert run([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["done"], found["failed"]) == (1, 1)
    store = Store.open(tmp_path / "store")
    (bad,) = (id for id, _ in store.status().errors)
    assert len(store.failures(bad)) == 2
    assert run([*arguments, "--retry"]) == 1
    assert len(store.failures(bad)) == 4


def test_another_plan_of_the_same_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    store = ["--store", str(tmp_path / "store"), "--launcher", "serial"]
    assert run(["sweep", written(tmp_path, QUICK), *store]) == 0
    assert run(["sweep", written(tmp_path, QUICK.replace("1.0", "0.9")), *store]) == 2
    assert "give the plan another name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--address", "tcp://here:1"],
            "address: expected none with the launcher pool, but found tcp://here:1; add --la",
        ),
        (
            ["--partition", "gpu", "--launcher", "dask"],
            "partition: expected none with the launcher dask, but found gpu;",
        ),
        (["--workers", "-1"], "workers: expected a number >= 1, or 0 for the default, but found -1; raise it"),
        (["--threads", "0"], "threads: expected a number >= 1, but found 0; raise it"),
        (["--lease", "0", "--launcher", "serial"], "lease: expected seconds > 0, but found 0; 120 is usual"),
        (["--launcher", "fork"], "Invalid value"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(["sweep", written(tmp_path, QUICK), "--store", str(tmp_path / "store"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(tmp_path: Path):
    endless = QUICK.replace("lr = 1.0", "lr = 1e-3\ndecay = 1e-4\ntolerance = 1e-12").replace("20", "1000000000")
    command = [sys.executable, "-m", "deepcollapse", "sweep", written(tmp_path, endless), "--launcher", "serial"]
    command += ["--store", str(tmp_path / "store")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        while not list((tmp_path / "store" / "work").glob("*/ended.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == ""
    assert err == "deepcollapse: interrupted; 0 of 4 runs are done, the same command goes on\n"
    assert Store.open(tmp_path / "store").claimed() == {}


WILD = """
name = "step"
kind = "simulate"
run = {classes = 3, layers = 2, width = 6, decay = "2^-6", engine = "torch"}
grid.lr = [1000.0, 2000.0]
seeds.count = 3
"""


def test_diverged_seeds_are_counted_and_can_be_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    wild, store = written(tmp_path, WILD), str(tmp_path / "store")
    assert run(["plan", wild]) == 0
    assert "found 1000, 2000; lower it" in capsys.readouterr().out
    arguments = ["--store", store, "--launcher", "serial"]
    assert run(["sweep", wild, *arguments]) == 0
    assert "6 ends: 6 diverged\nlr: 6 of 6 diverged; lower lr" in capsys.readouterr().out
    assert run(["sweep", wild, *arguments, "--require-converged"]) == 1
    assert "converged: expected all 6 ends to be decided, but found 6 that are not" in capsys.readouterr().err
    assert run(["status", store]) == 0
    assert "6 ends: 6 diverged" in capsys.readouterr().out

    calm = written(tmp_path, WILD.replace('"step"', '"calm"').replace("[1000.0, 2000.0]", "[1.0]"))
    assert run(["plan", calm]) == 0
    assert "Warning" not in capsys.readouterr().out
    assert run(["sweep", calm, *arguments, "--require-converged"]) == 0
    assert "3 ends: 3 converged" in capsys.readouterr().out


def test_the_progress_bar_counts_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(["sweep", written(tmp_path, WILD), "--store", str(tmp_path / "store"), "--launcher", "serial"]) == 0
    assert "2/2" in terminal.getvalue()
    assert "6 ends: 6 diverged" in terminal.getvalue()
    assert "6 ends: 6 diverged" in capsys.readouterr().out
