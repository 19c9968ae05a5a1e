"""The benchmark of the metrics times what it says it times."""

import pytest
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
    monkeypatch.setattr("benchmarks.measure.find_spec", lambda name: None)
    rows = measure_rows({size: labelled(*size) for size in sizes}, rounds=2, seconds=1.0)
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
