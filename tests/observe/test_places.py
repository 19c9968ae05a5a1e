"""Tensors and arrays in unusual places: no float64, parameters over processes, memory that torch cannot share."""

import socket

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import measure, probe
from deepcollapse.stats import MomentStream, class_moments, torch_sums
from deepcollapse.stats.tensors import as_tensor
from observe.families import CLASSES, batches, expect_same, randomised


class Single(torch.Tensor):
    """A tensor of a device that has no float64, as Apple's graphics processors; on the CPU it is a plain one."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name, places = getattr(function, "__name__", ""), [*args[1:], *kwargs.values()]
        if name == "cpu" or (name == "to" and any(str(place) == "cpu" for place in places)):
            return function(args[0].as_subclass(torch.Tensor), *args[1:], **kwargs)
        if name in ("numpy", "__array__"):
            raise TypeError("can't convert device type tensor to numpy")
        found = super().__torch_function__(function, types, args, kwargs)
        if isinstance(found, cls) and found.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return found


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, CLASSES))


class LastToken(nn.Module):
    """A head at every token."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[:, -1]


@pytest.mark.parametrize(
    ("build", "shape", "options"),
    [
        (network, (4,), {}),
        (LastToken, (3, 4), {}),
        (LastToken, (3, 4), {"mask": lambda batch: torch.tensor([[False, True, True]]).expand(len(batch[1]), 3)}),
        (
            LastToken,
            (3, 4),
            {"pooling": "last", "mask": lambda batch: torch.tensor([[1, 0, 1]]).expand(len(batch[1]), 3)},
        ),
    ],
    ids=["rows", "tokens", "masked mean", "masked last"],
)
def test_a_device_without_float64_gives_the_same_numbers(monkeypatch, build, shape, options):
    monkeypatch.setattr(torch_sums, "has_float64", lambda device: False)
    model, data = randomised(build(), torch.float32), batches(*shape, dtype=torch.float32)
    right = measure(model, data, **options)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach().as_subclass(Single)))
    assert measure(model, data, **options).scalars() == right.scalars()
    assert "nc4/agreement" in "".join(right.scalars())


@pytest.fixture
def mesh():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.parametrize("placement", [Shard(0), Shard(1), Replicate()], ids=str)
def test_parameters_and_features_over_processes_are_gathered(mesh, placement):
    model, data = randomised(network()), batches(4)
    right = measure(model, data)
    for layer in (model[0], model[2]):
        for name, parameter in list(layer.named_parameters()):
            place = placement if parameter.ndim > 1 else Replicate()
            setattr(layer, name, nn.Parameter(distribute_tensor(parameter.detach(), mesh, [place])))

    def forward(model: nn.Module, batch) -> torch.Tensor:
        return model(DTensor.from_local(batch[0], mesh, [Replicate()]))

    found = measure(model, data, forward=forward)
    assert found.scalars() == pytest.approx(right.scalars(), rel=1e-9, abs=1e-12)
    assert [layer.name for layer in found.layers] == ["0", "2 (input)", "2"]


def test_the_part_of_a_layer_that_is_in_this_process_is_not_taken_for_all(mesh):
    model, data = randomised(network()), batches(4)
    for name, parameter in list(model[0].named_parameters()):
        setattr(model[0], name, nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Shard(0)])))
    model[0].register_forward_hook(lambda _module, _input, output: output.to_local()[:, :4])

    def forward(model: nn.Module, batch) -> torch.Tensor:
        model[0](DTensor.from_local(batch[0], mesh, [Replicate()]))
        return model[2](torch.ones(len(batch[0]), 6, dtype=torch.float64) * batch[0][:, :1])

    with pytest.raises(
        InvalidInputError, match="0: expected all 6 features, but found 4, this process's part of a layer"
    ):
        probe(model, data, forward=forward, layers=["0"])
    seen = probe(model, data, forward=forward)
    assert list(seen.layers) == ["2"]
    assert "left out '0' (expected all 6 features, but found 4" in seen.notes[0]


ARRAYS = {
    "as it is": lambda array: array,
    "negative strides": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "little-endian": lambda array: array.astype(array.dtype.newbyteorder("<")),
    "Fortran's order": np.asfortranarray,
    "every second": lambda array: np.repeat(array, 2, axis=0)[::2],
    "a field of records": lambda array: np.rec.fromarrays([array, np.zeros(array.shape, "i1")])["f0"],
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_torch_cannot_share_are_measured_as_their_copies(kind: str):
    model = randomised(network(), torch.float32)
    data = [(x.numpy(), y.numpy()) for x, y in batches(4, dtype=torch.float32)]
    right = probe(model, data)
    seen = probe(model, [(ARRAYS[kind](x), ARRAYS[kind](y)) for x, y in data])
    for name, moments in right.layers.items():
        expect_same(seen.layers[name], moments)
    features, labels = data[0]
    stream, mixed = MomentStream(CLASSES), MomentStream(CLASSES)
    stream.add(ARRAYS[kind](features), ARRAYS[kind](labels))
    mixed.add(ARRAYS[kind](features), torch.from_numpy(labels))
    for moments in (stream.moments(), mixed.moments()):
        expect_same(moments, class_moments(features, labels, classes=CLASSES))


def test_memory_is_shared_where_it_can_be():
    array = np.arange(3.0)
    as_tensor(array)[0] = 7.0
    assert array[0] == 7.0


def test_a_memory_map_of_a_file_is_read(tmp_path):
    model, (features, labels) = randomised(network(), torch.float32), batches(4, dtype=torch.float32)[0]
    np.save(tmp_path / "x.npy", features.numpy())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expect_same(probe(model, [(mapped, labels)]).layers["0"], probe(model, [(features, labels)]).layers["0"])


def test_arrays_of_other_things_reach_the_model_as_they_are():
    model, (features, labels) = randomised(network()), batches(4)[0]
    names, seen = np.array(["a"] * 7), []

    def forward(model: nn.Module, batch) -> torch.Tensor:
        seen.append(batch[2])
        return model(batch[0])

    probe(model, [(features, labels, names)], forward=forward)
    assert seen[0] is names
