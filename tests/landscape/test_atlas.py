"""The shipped atlas, its checks, and building it in pieces."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import atlas, atlas_entry, build_atlas, faults, lowest_by_decay, settings
from deepcollapse.landscape.build import GRID
from deepcollapse.ufm import Problem, structures

DECAYS = (2.0**-10, 2.0**-6)


def test_every_setting_has_an_entry_without_fault():
    assert list(faults(atlas())) == []
    for classes, layers in settings():
        assert all(atlas_entry(classes, layers, decay) is not None for decay in DECAYS)
        assert [row.decay for row in lowest_by_decay(classes, layers)] == sorted(GRID)


def test_no_named_structure_is_below_the_lowest_point_of_a_decay():
    for classes, layers in settings()[::11]:
        for row in lowest_by_decay(classes, layers)[::7]:
            problem = Problem(classes=classes, layers=layers, decay=row.decay)
            assert row.loss <= structures(problem)[0].loss * (1 + 1e-10), problem


def test_the_least_loss_rises_with_the_decay_and_is_concave():
    """For any fixed logits F is linear in the decay, and the least of linear functions is concave.

    A point missed at one decay, or a change of rank found too late, shows as a chord above the table.
    """
    for classes, layers in settings():
        rows = lowest_by_decay(classes, layers)
        slopes = np.diff([row.loss for row in rows]) / np.diff([row.decay for row in rows])
        assert (slopes >= 0).all()
        assert (np.diff(slopes) <= 1e-9 * slopes[:-1]).all(), (classes, layers)


def test_the_entry_of_a_setting_is_its_lowest_point():
    for classes, layers in settings():
        rows = {row.decay: row for row in lowest_by_decay(classes, layers)}
        for decay in DECAYS:
            entry, row = atlas_entry(classes, layers, decay), rows[decay]
            assert entry is not None
            assert (entry.rank, entry.structure) == (row.rank, row.structure)
            assert entry.loss == pytest.approx(row.loss, rel=1e-9)


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


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_building_resumes_and_repeats_itself(tmp_path, workers):
    """Built at once, or cut in the middle of a line and resumed: the same table."""
    chosen = [(2, 1), (2, 2), (3, 2)]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    build_atlas(whole, chosen=chosen, restarts=1)
    text = whole.read_text(encoding="utf-8")
    assert {"atlas", "restarts", "decays", "searched", "seed"} == set(json.loads(text.split("\n")[0]))
    cut.write_text(text[: text.index("\n", len(text) // 3) + 40], encoding="utf-8")
    build_atlas(cut, chosen=chosen, restarts=1, workers=workers)
    assert cut.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"atlas": 99}', r"atlas: expected a table of version 2, but found \{'atlas': 99\} in"),
        ("no table at all", "atlas: expected a table of version 2, but found no table at all in"),
        ('{"atlas": 2}\n{"classes": 3}', "atlas: expected one region per line, but found a line that is none in"),
        ('{"atlas": 2}\n{]', "atlas: expected one region per line, but found a line that is none in"),
        ('{"atlas": 2}\n7', "atlas: expected one region per line, but found a line that is none in"),
    ],
)
def test_a_foreign_table_is_refused_and_left_alone(tmp_path, text, message):
    path = tmp_path / "other.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        build_atlas(path, chosen=[(2, 1)])
    assert path.read_text(encoding="utf-8") == text + "\n"


@pytest.mark.parametrize("name", ["restarts", "workers"])
def test_nothing_is_built_by_nobody(tmp_path, name):
    with pytest.raises(InvalidInputError, match=f"{name}: expected at least 1, but found 0; leave it out"):
        build_atlas(tmp_path / "table.jsonl", **{name: 0})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("--sample", "12", "1"), ("7,2,2e-4", "8,3,1.4e-3", "9,4,5e-2", "6,6,3e-5"), ("8,3,1e-4,50", "6,2,1e-3,7")],
    ids=["drawn", "between", "samples"],
)
def test_nothing_known_is_beaten_by_fresh_starts(arguments):
    """In a process of its own: run-time type checks would make it five times slower."""
    script = Path(__file__).with_name("fresh_starts.py")
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
