"""Standard output in any encoding and with any reader: every command does its work and ends quietly."""

import io
import os
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.cli.app import main, run
from deepcollapse.cli.streams import encodable, open_streams, settle_streams, write

SIZES = ("--classes", "4", "--layers", "1")
PLAN = """
name = "λ und Größe — 崩壊"
kind = "theory"
run = {layers = 1}
grid = {classes = [3, 4]}
"""
COMMANDS = {
    "help": ("--help",),
    "version": ("--version",),
    **{f"help of {name}": (name, "--help") for name in ("theory", "query", "sweep", "train")},
    "theory": ("theory", *SIZES),
    "theory as JSON": ("theory", *SIZES, "--json"),
    "spectrum": ("spectrum", *SIZES, "--at", "dnc"),
    "landscape": ("landscape", *SIZES, "--restarts", "1"),
    "certify": ("certify", "--classes", "2", "--layers", "2", "--gap", "30%"),
    "atlas": ("atlas",),
    "simulate": ("simulate", *SIZES, "--seeds", "2", "--steps-max", "5", "--engine", "torch"),
    "measure": ("measure", "λ.npz"),
    "plan": ("plan", "plan.toml"),
    "sweep": ("sweep", "plan.toml", "--store", "store", "--launcher", "serial"),
    "status": ("status", "store"),
    "compact": ("compact", "store"),
    "query": ("query", "store", "SELECT 'λ — é 崩壊' AS \"Größe\", classes FROM runs"),
    "query as CSV": ("query", "store", "SELECT 'λ — é 崩壊' AS \"Größe\", classes FROM runs", "--csv"),
    "gc": ("gc", "store"),
    "report": ("report", "store", "--out", "page—λ"),
    "figures": ("figures", "store", "--out", "figures"),
}
EXITS = {"figures": 1}  # no figure has its runs in that store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands find what they read."""
    folder = tmp_path_factory.mktemp("streams")
    labels = np.arange(30) % 3
    features = np.random.default_rng(0).normal(size=(30, 4)) + labels[:, None]
    np.savez(folder / "λ.npz", features=features, labels=labels)
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    assert run(["sweep", str(folder / "plan.toml"), "--store", str(folder / "store"), "--launcher", "serial"]) == 0
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "utf-16", "shift_jis", "koi8-r", "cp500"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_every_encoding(command, encoding, folder, monkeypatch):
    monkeypatch.chdir(folder)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    open_streams()
    code = run(COMMANDS[command])
    err.flush()
    assert (code, err.buffer.getvalue()) == (EXITS.get(command, 0), b"")
    text = out.buffer.getvalue().decode(encoding)
    assert text.strip()
    if encoding == "ascii" and command == "query":
        assert "lambda - e ??" in text
        assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1, "columns out of line"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_into_a_closed_pipe(command, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(COMMANDS[command]) == EXITS.get(command, 0)
    assert capfd.readouterr().err == ""


def test_the_work_is_done_although_nobody_reads(folder, tmp_path, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8", buffering=1) as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(["report", str(folder / "store"), "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page" / "index.html").is_file()


def test_an_error_of_which_nobody_reads(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8", buffering=1) as err:
        monkeypatch.setattr(sys, "stderr", err)
        assert run(["theory", "--classes", "1", "--layers", "1"]) == 2


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_was_closed_at_the_start(name, monkeypatch):
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit) as end:
        main(["theory", *SIZES])
    getattr(sys, name).close()
    assert end.value.code == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("command", ["theory", "theory as JSON", "help"])
def test_output_that_cannot_be_kept_is_one_line(command, monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(COMMANDS[command]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "No space left on device" in error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("λ = 2⁻¹⁰", "lambda = 2-10"),
        ("Šukeník, Größe", "Sukenik, Gro?e"),
        ("α ≤ Σ — …", "alpha <= Sigma - ..."),
        ("┏━┳┓│├┤╭╮", "+-++|++++"),
        ("崩壊", "??"),
        ("\udc80", "?"),
    ],
)
def test_what_stands_for_a_sign(text, shown, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    open_streams()
    assert encodable(text) == shown


@given(text=st.text(), encoding=st.sampled_from(["ascii", "latin-1", "cp437", "utf-8", "utf-16", "gb2312", "cp037"]))
def test_any_text_in_any_encoding(text, encoding):
    with pytest.MonkeyPatch.context() as patch:
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        patch.setattr(sys, "stdout", out)
        open_streams()
        write(text)
        settle_streams()
        found = out.buffer.getvalue().decode(encoding)
        assert found == encodable(text)
    if all(unicodedata.category(sign) != "Cs" for sign in text) and encoding.startswith("utf"):
        assert found == text
