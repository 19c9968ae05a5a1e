import random

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments import KeptRuns, run_settings
from deepcollapse.simulate import Initialisation, descent, simulate
from deepcollapse.ufm import Problem

SMALL = Problem(classes=3, layers=2, width=6, decay=0.02, samples=(2, 1, 2))
SETTINGS = run_settings(SMALL, descent(SMALL, 1.0), initialisation=Initialisation(), dtype="float64")


def test_runs_come_back_as_they_were(tmp_path):
    path = tmp_path / "runs.jsonl"
    ensemble = simulate(SMALL, seeds=4, lr=1.0, ledger=KeptRuns.open(path, SETTINGS))
    back = KeptRuns.open(path, SETTINGS).ended
    assert sorted(back) == [0, 1, 2, 3]
    for run in ensemble.finished:
        same = back[run.seed]
        assert same is not None
        assert same.as_json() == run.as_json()
        np.testing.assert_array_equal(same.verdict.reading.logits, run.verdict.reading.logits)
    again = simulate(SMALL, seeds=5, lr=1.0, ledger=KeptRuns.open(path, SETTINGS))
    assert again.kept == (0, 1, 2, 3)
    assert sorted(KeptRuns.open(path, SETTINGS).ended) == [0, 1, 2, 3, 4]


def test_a_diverged_run_is_kept_too(tmp_path):
    kept = KeptRuns.open(tmp_path / "runs", SETTINGS)
    kept.add(7, None)
    assert KeptRuns.open(tmp_path / "runs", SETTINGS).ended == {7: None}


@pytest.mark.parametrize("torn", [1, 40, 1000])
def test_a_line_cut_short_by_a_crash_is_dropped_and_its_run_done_again(tmp_path, torn):
    path = tmp_path / "runs"
    simulate(SMALL, seeds=2, lr=1.0, ledger=KeptRuns.open(path, SETTINGS))
    whole = path.read_bytes()
    first = b"".join(whole.splitlines(keepends=True)[:2])
    path.write_bytes(first + whole[len(first) : -torn])
    kept = KeptRuns.open(path, SETTINGS)
    assert len(kept.ended) == 1
    assert path.read_bytes() == first
    assert simulate(SMALL, seeds=2, lr=1.0, ledger=kept).converged == 2
    assert len(KeptRuns.open(path, SETTINGS).ended) == 2


@pytest.mark.parametrize("change", [{"decay": 0.03}, {"lr": 2.0}, {"dtype": "float32"}, {"kind": "orthogonal"}])
def test_other_settings_are_refused_and_nothing_is_lost(tmp_path, change):
    path = tmp_path / "runs"
    KeptRuns.open(path, SETTINGS).add(3, None)
    before = path.read_bytes()
    ((name, value),) = change.items()
    with pytest.raises(InvalidInputError, match=f"keep: expected runs with {name} = {value!r}, but found .*; name ano"):
        KeptRuns.open(path, SETTINGS | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["no json\n", "[1]\n", '{"settings": 3}\n', '{"other": 1}\n', "\x00\xff"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "mine"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInputError, match="keep: expected runs kept by simulate, but found something else in"):
        KeptRuns.open(path, SETTINGS)
    assert path.read_bytes() == content.encode("latin-1")


@pytest.fixture(scope="module")
def kept_file(tmp_path_factory):
    """The bytes of a file with five runs, one of which diverged."""
    path = tmp_path_factory.mktemp("kept") / "runs"
    kept = KeptRuns.open(path, SETTINGS)
    simulate(SMALL, seeds=4, lr=1.0, ledger=kept)
    kept.add(7, None)
    return path.read_bytes()


def ends(path) -> dict[int, dict | None]:
    return {seed: run and run.as_json() for seed, run in KeptRuns.open(path, SETTINGS).ended.items()}


def test_a_first_line_cut_anywhere_begins_again(tmp_path, kept_file):
    header, path = kept_file.splitlines(keepends=True)[0], tmp_path / "runs"
    for length in range(0, len(header), 7):
        path.write_bytes(header[:length])
        KeptRuns.open(path, SETTINGS).add(7, None)
        assert ends(path) == {7: None}


def test_a_first_line_without_its_end_is_whole(tmp_path, kept_file):
    path = tmp_path / "runs"
    path.write_bytes(kept_file.splitlines()[0])
    KeptRuns.open(path, SETTINGS).add(7, None)
    assert (ends(path), len(path.read_bytes().splitlines())) == ({7: None}, 2)


def test_a_flipped_bit_loses_at_most_its_own_run(tmp_path, kept_file):
    path, rng = tmp_path / "runs", random.Random(0)
    path.write_bytes(kept_file)
    before = ends(path)
    for _ in range(60):
        damaged = bytearray(kept_file)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        found = ends(path)
        assert found.items() <= before.items()
        assert len(found) >= len(before) - 2  # a flipped line break joins two
        assert ends(path) == found


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(
        InvalidInputError, match=r"keep: expected a file that can be read and written, but found .*No su"
    ):
        KeptRuns.open(tmp_path / "missing" / "runs", SETTINGS)
