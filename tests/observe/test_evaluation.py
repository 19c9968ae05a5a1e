"""A pass leaves no trace: modes, hooks, random state, gradients; and what depends on the batch is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import probe
from observe.families import CLASSES, batches, expect_same, randomised

DATA = batches(4)


def model() -> nn.Module:
    return randomised(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, CLASSES)))


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def test_modes_hooks_and_statistics_are_as_before():
    network = model().train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network[0].register_forward_hook(lambda *_: None)
    seen = probe(network, DATA)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert hooks(network) == 1
    expect_same(seen.layers["3"], probe(model().eval(), DATA).layers["3"])


@pytest.mark.parametrize("stage", ["loader", "forward", "progress", "labels"])
def test_modes_and_hooks_are_as_before_after_an_error(stage: str):
    network, state = model().train(), torch.get_rng_state()

    def broken(*_):
        torch.rand(3)
        raise RuntimeError("broken")

    def loader():
        yield DATA[0]
        broken()

    options = {} if stage == "loader" else {stage: broken}
    with pytest.raises(RuntimeError, match="broken"):
        probe(network, loader(), **options)
    assert all(module.training for module in network.modules())
    assert hooks(network) == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled()


def test_random_state_is_as_before():
    inputs, labels = (torch.cat(parts) for parts in zip(*DATA, strict=True))
    network = model()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    probe(network, DataLoader(TensorDataset(inputs, labels), batch_size=5, shuffle=True))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002


class Caching(nn.Module):
    """Keeps a tensor that it makes in its first pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, CLASSES)
        self.scale: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.scale is None:
            self.scale = torch.full((4,), 2.0, dtype=x.dtype)
        return self.fc(x) * (self.fc.weight * self.scale).sum()


def test_a_tensor_kept_by_the_network_does_not_prevent_training():
    network = Caching().double()
    probe(network, DATA)
    network(DATA[0][0]).sum().backward()
    assert network.fc.weight.grad is not None


class Merging(nn.Module):
    """Does more than to set a flag when its mode changes, as layers with merged low-rank updates do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.merged = nn.Linear(4, CLASSES), False

    def train(self, mode: bool = True) -> "Merging":
        self.merged = not mode
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert self.merged
        return self.fc(x)


@pytest.mark.parametrize("training", [True, False])
def test_modules_learn_that_their_mode_is_back(training: bool):
    network = nn.Sequential(Merging().double()).train(training)
    probe(network, DATA)
    assert network[0].merged is not training
    assert network[0].training is training


class KeepsFrozen(nn.Sequential):
    """Keeps its normalisation in evaluation mode whatever it is told."""

    def train(self, mode: bool = True) -> "KeepsFrozen":
        super().train(mode)
        self[1].eval()
        return self


def test_a_mode_that_train_would_not_give_is_restored():
    network = KeepsFrozen(*model())
    network[1].train()
    probe(network, DATA)
    assert all(module.training for module in network.modules())


def test_training_mode_is_refused():
    with pytest.raises(
        InvalidInputError, match="training: expected False, but found True; statistics of a batch would"
    ):
        probe(model(), DATA, training=True)


def test_normalisation_without_running_statistics_is_refused():
    network = nn.Sequential(nn.Linear(4, CLASSES), nn.BatchNorm1d(CLASSES, track_running_stats=False)).double()
    with pytest.raises(
        InvalidInputError, match=r"model: expected BatchNorm with running statistics, .* none in \['1'\]"
    ):
        probe(network, DATA)
