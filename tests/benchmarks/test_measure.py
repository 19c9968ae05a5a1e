"""The benchmark of the metrics times what it says it times."""

import sys

import pytest
from benchmarks.__main__ import main
from benchmarks.measure import labelled, measure_rows, memory_growth, ours, plain
from benchmarks.measurement import Task


def test_plain_numpy_finds_the_same_numbers():
    data = labelled(300, 7, 4)
    found = ours(data)
    for name, value in plain(data).items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_every_contender_has_a_row(monkeypatch):
    sizes = [(60, 5, 3), (80, 4, 2)]
    monkeypatch.setattr(Task, "seconds", lambda task, count: float(count))
    *rows, first, second = measure_rows({size: labelled(*size) for size in sizes}, rounds=2, seconds=1.0)
    assert [first["contender"], first["note"], second["samples"]] == ["neural_collapse", "not compared", 80]
    assert [(row["samples"], row["classes"]) for row in rows[::3]] == [(60, 3), (80, 2)]
    assert [row["contender"] for row in rows[:3]] == ["products", "deepcollapse", "plain NumPy"]
    for row in rows:
        assert row["seconds"]["rounds"] == [1.0, 1.0]
        assert row["ratio_to_products"]["median"] == 1.0
        assert ("memory_growth" in row) == (row["contender"] == "deepcollapse")


def test_memory_does_not_grow_with_the_samples():
    few, many = (memory_growth(labelled(samples, 64, 3)) for samples in (20_000, 80_000))
    features = 80_000 * 64 * 4
    assert 0 < many < features
    assert many - few < 0.2 * features


def test_the_other_library_is_compared_where_its_folder_is_named(monkeypatch, tmp_path):
    package = tmp_path / "neural_collapse"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr(Task, "seconds", lambda task, count: float(count))
    monkeypatch.setattr("benchmarks.measure.theirs", lambda data: {"nc1/quotient": 0.5})
    data = labelled(60, 5, 3)
    rows = measure_rows({(60, 5, 3): data}, rounds=1, seconds=1.0, peer=tmp_path)
    assert sys.path[0] == str(tmp_path)
    assert rows[-1]["contender"] == "neural_collapse"
    assert rows[-1]["values"] == {"nc1/quotient": {"ours": ours(data)["nc1/quotient"], "theirs": 0.5}}


def test_a_folder_without_the_other_library_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["measure", "--peer", str(tmp_path)])
    assert "--peer: expected a folder with neural_collapse/" in capsys.readouterr().err
