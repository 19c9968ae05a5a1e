"""The shipped atlas, its checks, and building it in pieces."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import atlas, atlas_entry, build_atlas, faults, settings
from deepcollapse.ufm import structures


def test_every_setting_has_an_entry_without_fault():
    assert sorted(atlas()) == sorted(settings())
    assert list(faults(atlas().values())) == []
    assert {entry.rounds for entry in atlas().values()} == {2}


def test_no_entry_is_beaten_by_a_named_structure():
    for entry in atlas().values():
        best = structures(entry.problem)[0]
        assert entry.loss <= best.loss * (1 + 1e-10), (entry.problem, best.name)


@pytest.mark.parametrize(
    ("classes", "layers", "loss", "rank", "structure"),
    [
        (10, 1, None, 9, "simplex"),
        (10, 2, 0.048938, 5, "paired"),
        (10, 3, 0.0398087156, 3, "unnamed"),
        (5, 2, 0.024513, 3, "paired"),
        (4, 2, None, 3, "simplex"),
    ],
)
def test_reference_entries(classes, layers, loss, rank, structure):
    entry = atlas_entry(classes, layers)
    assert entry is not None
    assert (entry.rank, entry.structure) == (rank, structure)
    if loss is not None:
        assert entry.loss == pytest.approx(loss, abs=5e-7)


def test_outside_the_table_there_is_no_entry():
    assert atlas_entry(17, 2) is None
    assert atlas_entry(4, 2, 0.5) is None


def test_checks_find_what_is_wrong():
    entry = atlas_entry(4, 3)
    assert entry is not None
    wrong_loss = dataclasses.replace(entry, loss=entry.loss * (1 - 1e-6))
    wrong_rank = dataclasses.replace(entry, rank=entry.rank - 1, singular_values=entry.singular_values[1:] * 1.1)
    moved = dataclasses.replace(entry, logits=entry.logits * 1.01)
    assert [f.split(": ")[1] for f in faults([wrong_loss])] == ["the loss is not that of the logits"]
    assert "rank or singular values are not those of the logits" in next(faults([wrong_rank]))
    assert any("not a critical point" in fault for fault in faults([moved]))


def test_building_resumes_and_repeats_itself(tmp_path):
    """Built at once, or cut in the middle of a line and resumed: the same entries."""
    chosen = [(3, 2, 2.0**-6), (4, 2, 2.0**-6), (4, 3, 2.0**-6)]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    build_atlas(whole, chosen=chosen, restarts=4)
    text = whole.read_text()
    cut.write_text(text[: text.index("\n", len(text) // 3) + 40])
    build_atlas(cut, chosen=chosen, restarts=4)
    assert cut.read_text() == text


def test_a_foreign_table_is_refused(tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"atlas": 99}\n')
    with pytest.raises(InvalidInputError, match=r"atlas: expected a table of version 1, but found \{'atlas': 99\} in"):
        build_atlas(path, chosen=[(2, 1, 0.01)])


@pytest.mark.slow
@pytest.mark.parametrize("classes", range(16, 1, -1))
def test_no_entry_is_beaten_by_fresh_starts(classes):
    """In a process of its own: run-time type checks would make it five times slower."""
    script = Path(__file__).with_name("fresh_starts.py")
    done = subprocess.run([sys.executable, script, str(classes)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
