"""The benchmark of stores times what it says it times."""

import json

import pytest
from benchmarks.store import filled, main, outcome, spec

from deepcollapse.store import run_id


def test_a_tiny_store(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.store._COMMITS", 2)
    file = tmp_path / "result.json"
    main(["--runs", "6", "--rounds", "1", "--folder", str(tmp_path), "--json", str(file)])
    found = json.loads(file.read_text())
    assert (found["runs"], found["rounds"]) == (6, 1)
    printed = capsys.readouterr().out
    for row in found["rows"]:
        assert row["seconds"]["median"] > 0
        assert row["task"] in printed
    assert list(tmp_path.iterdir()) == [file]


def test_runs_are_as_wide_as_real_ones(tmp_path):
    store = filled(tmp_path / "store", 6)
    assert store.status("benchmark").done == 6
    assert {outcome(number).rows.num_columns for number in range(6)} == {17, 33, 42}
    assert store.table().num_rows == 3 * 16 + 2 * 12 + 1
    assert store.run(run_id(spec(1))).spec == spec(1)


def test_bad_options(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--runs", "0"])
    assert "expected whole numbers >= 1, but found 0 runs and 3 rounds" in capsys.readouterr().err
