"""``deepcollapse figures`` as a user meets it."""

import json

import pytest

from deepcollapse.cli.app import run
from deepcollapse.store import Store
from plot.paper.stores import filled, simulated


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("figures") / "store", {"E1": [simulated()]})


def refusal(capsys, *arguments):
    code = run(list(map(str, arguments)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return code, captured.err


def test_figures_are_written_and_missing_ones_named(store, tmp_path, capsys):
    assert run(["figures", str(store.path), "--out", str(tmp_path / "drawn")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"figure 1: {tmp_path}/drawn/figure-1.pdf, {tmp_path}/drawn/figure-1.png"
    assert lines[1].startswith("figure 2 skipped: E2: expected a part of that name")
    assert lines[1].endswith(f"deepcollapse reproduce --size small --store {store.path} --only E2")
    assert len(lines) == 8
    assert {file.name for file in (tmp_path / "drawn").iterdir()} == {"figure-1.pdf", "figure-1.png", "captions.md"}


def test_one_document_with_json(store, tmp_path, capsys):
    assert run(["figures", str(store.path), "--out", str(tmp_path), "--only", "1, 2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (figure,) = found["figures"]
    assert figure["figure"] == "1"
    assert figure["parts"] == ["E1"]
    assert set(figure["runs"]) == store.done()
    assert figure["files"] == [str(tmp_path / "figure-1.pdf"), str(tmp_path / "figure-1.png")]
    assert [skipped["figure"] for skipped in found["skipped"]] == ["2"]


def test_nothing_to_draw_is_a_failure(store, tmp_path, capsys):
    assert run(["figures", str(store.path), "--out", str(tmp_path / "none"), "--only", "T5"]) == 1
    assert capsys.readouterr().out.startswith("figure T5 skipped: E2: expected")
    assert list((tmp_path / "none").iterdir()) == []


def test_bad_input_ends_in_one_line(store, tmp_path, capsys):
    code, line = refusal(capsys, "figures", store.path)
    assert (code, "out: expected a folder for the figures, but found none; add --out DIR" in line) == (2, True)
    code, line = refusal(capsys, "figures", "--out", tmp_path)
    assert (code, "store: expected the folder of one store, but found none" in line) == (2, True)
    code, line = refusal(capsys, "figures", tmp_path / "nowhere", "--out", tmp_path)
    assert (code, "store: expected a store, but found no" in line) == (2, True)
    code, line = refusal(capsys, "figures", store.path, "--out", tmp_path, "--only", "9")
    assert (code, "figure: expected some of 1, 2" in line) == (2, True)
    code, line = refusal(capsys, "figures", store.path, "--out", tmp_path, "--plan", "none")
    assert (code, "plan: expected one of small, but found 'none'" in line) == (2, True)


def test_a_store_without_a_plan_is_bad_input(tmp_path, capsys):
    code, line = refusal(capsys, "figures", Store.create(tmp_path / "empty").path, "--out", tmp_path)
    assert (code, "make one with deepcollapse reproduce" in line) == (2, True)
