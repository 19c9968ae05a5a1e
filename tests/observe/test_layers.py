"""Which modules are observed, under which names, and that none is silently left out."""

import jaxtyping
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import probe
from observe.families import CLASSES, batches, expect_same, mlp_model, moments_of, randomised

DATA = batches(4)


class Shared(nn.Module):
    """One linear map used as often as asked, under two names."""

    def __init__(self, times: int = 2) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.alias = self.step
        self.head = nn.Linear(4, CLASSES)
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.step(x).tanh()
        return self.head(x)


class Functional(nn.Module):
    """A linear layer whose weights are used, but which is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.unseen = nn.Linear(4, 4)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(nn.functional.linear(x, self.unseen.weight))


def test_a_shared_module_gives_one_layer_per_call():
    model = randomised(Shared())
    seen = probe(model, DATA)
    assert list(seen.layers) == ["step#1", "step#2", "head"]
    with torch.no_grad():
        first = [model.step(inputs) for inputs, _ in DATA]
        second = [model.step(rows.tanh()) for rows in first]
    expect_same(seen.layers["step#1"], moments_of(first, DATA))
    expect_same(seen.layers["step#2"], moments_of(second, DATA))


def test_a_module_under_two_names_is_found_under_either():
    model = randomised(Shared(times=1))
    seen = probe(model, DATA, layers=["alias", "step"])
    assert set(seen.layers) == {"alias", "step"}
    expect_same(seen.layers["alias"], seen.layers["step"])


def test_layers_are_in_the_order_in_which_they_ran_whatever_the_order_of_names():
    seen = probe(randomised(Shared(times=1)), DATA, layers=["head", "", "step"])
    assert list(seen.layers) == ["step", "head", ""]
    expect_same(seen.layers["head"], seen.layers[""])


def test_numbers_of_calls_that_change_are_refused():
    model = randomised(Shared())

    def forward(model: nn.Module, batch) -> torch.Tensor:
        model.times = 2 if len(batch[1]) == 7 else 3
        return model(batch[0])

    with pytest.raises(InvalidInputError, match=r"step: expected 2 calls in every batch, but found 3; leave it out"):
        probe(model, DATA, forward=forward, layers=["head", "step"])
    seen = probe(model, DATA, forward=forward)
    assert "step" not in "".join(seen.layers)
    assert "left out 'step' (expected 2 calls in every batch, but found 3)" in seen.notes[0]
    assert list(probe(model, DATA, forward=forward, layers=["head"]).layers) == ["head"]


def test_a_layer_that_gives_nothing_is_named():
    model = randomised(Functional())
    with pytest.raises(InvalidInputError, match=r"layers: expected output of \['unseen'\], but found none .* original"):
        probe(model, DATA, layers=["unseen", "head"])
    assert list(probe(model, DATA).layers) == ["head"]


def test_a_network_of_which_no_layer_runs_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.ReLU())
    with pytest.raises(InvalidInputError, match="layers: expected output of a layer, but found none"):
        probe(model, batches(CLASSES))


def test_a_scripted_model_is_refused(recwarn: pytest.WarningsRecorder):
    torch_script = torch.jit.trace(randomised(mlp_model()), torch.zeros(2, 8, dtype=torch.float64))
    recwarn.clear()
    with pytest.raises(InvalidInputError, match="observe the original of a scripted, exported or graphed model"):
        probe(torch_script, batches(8))


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(InvalidInputError, match=r"layers: expected names .* found 'heads'; the nearest are \['head'"):
        probe(Shared(), DATA, layers=["heads"])
    with pytest.raises(InvalidInputError, match=r"found 'xyz'; the nearest are \['step', 'alias', 'head'\]"):
        probe(Shared(), DATA, layers=["xyz"])


def test_one_name_is_no_sequence_of_names():
    with pytest.raises(InvalidInputError, match=r"layers: expected a sequence .* 'head'; write \['head'\]"):
        probe(Shared(), DATA, layers="head")


@pytest.mark.parametrize("wrap", ["parallel", "compiled", "both"])
def test_wrappers_leave_no_trace_in_names(wrap: str):
    plain = randomised(Shared())
    expected = probe(plain, DATA, layers=["step"])
    model = plain if wrap == "compiled" else nn.DataParallel(plain)
    if wrap != "parallel":
        model = torch.compile(model, backend="eager")
    seen = probe(model, DATA, layers=["step"])
    assert list(seen.layers) == list(expected.layers)
    expect_same(seen.layers["step#1"], expected.layers["step#1"])


def test_names_with_the_prefix_of_a_compiled_part_are_understood():
    model = nn.Sequential(torch.compile(randomised(mlp_model()), backend="eager"))
    seen = probe(model, batches(8), layers=["0._orig_mod.1", "0.3"])
    assert list(seen.layers) == ["0.1", "0.3"]


def test_scatter_is_kept_where_it_is_wanted():
    model = nn.Sequential(nn.Linear(4, 2049), nn.Linear(2049, CLASSES))
    data = batches(4, dtype=torch.float32)
    kept = {
        choice: {
            name: moments.scatter is not None for name, moments in probe(model, data, scatter=choice).layers.items()
        }
        for choice in (None, False)
    }
    assert kept == {None: {"0": False, "1": True}, False: {"0": False, "1": False}}
    assert probe(model[1:], batches(2049, dtype=torch.float32), scatter=True).classifier.moments.scatter is not None


def test_what_is_no_module_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InvalidInputError, match=r"model: expected a torch.nn.Module, but found list; the model comes"):
        probe([], nn.Linear(2, 2))
