"""One measurement of the samples of all processes of a distributed run."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing, nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import measure

PROCESSES = 2


def network() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    labels = torch.arange(3).repeat_interleave(7)  # the first half has no samples of the last class
    return model, torch.randn(21, 4, generator=generator, dtype=torch.float64), labels


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    model, inputs, labels = network()
    share = slice(0, 12) if rank == 0 else slice(12, 21)
    found = measure(model, [(inputs[share], labels[share])], distributed=True)
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps((found.scalars(), found.samples)))
    distributed.destroy_process_group()


def test_two_processes_measure_what_one_does(tmp_path: Path):
    multiprocessing.spawn(_process, args=(str(tmp_path),), nprocs=PROCESSES)
    first, second = (pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) for rank in range(PROCESSES))
    model, inputs, labels = network()
    expected = measure(model, [(inputs, labels)])
    assert first == second
    assert first[0] == pytest.approx(expected.scalars(), rel=1e-9)
    assert first[1] == expected.samples == 21


def test_without_a_process_group_it_is_refused_before_the_data_are_read():
    model, inputs, labels = network()
    batches = iter([(inputs, labels)])
    message = r"distributed: expected torch.distributed to be initialised, but found no process group; call"
    with pytest.raises(InvalidInputError, match=message):
        measure(model, batches, distributed=True)
    assert len(list(batches)) == 1
