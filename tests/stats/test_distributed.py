"""Moments of several processes, gathered by torch.distributed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from deepcollapse.errors import InvalidInputError
from deepcollapse.stats import class_moments, gathered
from stats.labelled import labelled

PROCESSES = 2


def _part(rank: int):
    features, labels = labelled(0, samples=60, classes=3, width=4, offset=1e3)
    return features[rank::PROCESSES], labels[rank::PROCESSES]


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    start = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=start, rank=rank, world_size=PROCESSES)
    found = gathered(class_moments(*_part(rank), classes=3))
    first = distributed.new_group([0])
    try:
        alone = gathered(class_moments(*_part(rank), classes=3), group=first).total
    except InvalidInputError as error:
        alone = str(error)
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps((found, alone)))
    distributed.destroy_process_group()


def test_two_processes_hold_the_moments_of_both(tmp_path: Path):
    multiprocessing.spawn(_process, args=(str(tmp_path),), nprocs=PROCESSES)
    (first, alone), (second, outside) = (
        pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) for rank in range(PROCESSES)
    )
    parts = [class_moments(*_part(rank), classes=3) for rank in range(PROCESSES)]
    expected = parts[0].merge(parts[1])
    for name in ("counts", "means", "scatter", "resolution", "spreads"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(expected, name))
    assert alone == 30
    assert outside.startswith("gathered: expected a process of the group, but found rank 1, which is not in it")


def test_one_process_without_a_group():
    moments = class_moments(np.eye(2), np.arange(2), classes=2)
    with pytest.raises(
        InvalidInputError, match=r"gathered: expected torch.distributed to be initialised, but found no"
    ):
        gathered(moments)
