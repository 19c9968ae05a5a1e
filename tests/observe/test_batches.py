"""Batches in the shapes in which loaders yield them, and everything that is wrong with labels and logits."""

from collections import UserDict, namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import probe
from observe.families import CLASSES, batches, expect_same, randomised

DATA = batches(4)
Pair = namedtuple("Pair", ["inputs", "labels"])


class Sum(nn.Module):
    """Logits from the sum of two inputs."""

    def __init__(self, wrap=None) -> None:
        super().__init__()
        self.fc = nn.Linear(4, CLASSES)
        self.wrap = wrap or (lambda logits: logits)

    def forward(self, x: torch.Tensor, shift: torch.Tensor | float = 0.0):
        return self.wrap(self.fc(x + shift))


MODEL = randomised(Sum())


@pytest.mark.parametrize(
    "shape",
    [
        lambda x, y: (x, y),
        lambda x, y: [x, y, "name", 3],
        Pair,
        lambda x, y: {"x": x, "labels": y},
        lambda x, y: UserDict(x=x, label=y),
        lambda x, y: ({"x": x - 1, "shift": torch.ones_like(x)}, y),
        lambda x, y: ((x - 1, torch.ones_like(x)), y),
        lambda x, y: (x.numpy(), y.numpy()),
        lambda x, y: (x, y.to(torch.uint8)),
        lambda x, y: (x, y.tolist()),
    ],
    ids=["pair", "longer", "named", "mapping", "other mapping", "keywords", "several", "numpy", "uint8", "list"],
)
def test_batches_come_in_many_shapes(shape):
    expected, seen = probe(MODEL, DATA), probe(MODEL, [shape(x, y) for x, y in DATA])
    assert seen.samples == 17
    assert seen.accuracy == expected.accuracy
    # x - 1 + 1 is rounded twice
    np.testing.assert_allclose(seen.layers["fc"].means, expected.layers["fc"].means, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: {"loss": None, "logits": z},
        lambda z: SimpleNamespace(logits=z),
        lambda z: (z, z * 0),
        lambda z: [z],
    ],
    ids=["mapping", "attribute", "tuple", "list"],
)
def test_logits_come_in_many_shapes(wrap):
    model = Sum(wrap)
    model.load_state_dict(MODEL.state_dict())
    expected, seen = probe(MODEL, DATA), probe(model.double(), DATA)
    assert seen.accuracy == expected.accuracy
    assert seen.classifier.name == "fc"
    assert seen.classifier.agreement == expected.classifier.agreement


def test_models_and_labels_in_unusual_places():
    expected = probe(MODEL, DATA)
    data = [{"image": x, "target": y} for x, y in DATA]
    seen = probe(MODEL, data, forward=lambda model, batch: model(batch["image"]), labels=lambda batch: batch["target"])
    expect_same(seen.layers["fc"], expected.layers["fc"])
    bare = iter([y for _, y in DATA])
    for shape in (lambda x: x, lambda x: (x,), lambda x: {"x": x}):
        bare = iter([y for _, y in DATA])
        seen = probe(MODEL, [shape(x) for x, _ in DATA], labels=lambda _, bare=bare: next(bare))
        expect_same(seen.layers["fc"], expected.layers["fc"])


def test_packed_sequences_reach_the_model():
    lstm, fc = randomised(nn.LSTM(4, 5)), randomised(nn.Linear(5, CLASSES))
    model = nn.ModuleDict({"lstm": lstm, "fc": fc})
    sequences = [torch.ones(length, 4, dtype=torch.float64) * length for length in (3, 2, 1)]
    data = [(pack_sequence(sequences), torch.arange(3))]
    seen = probe(model, data, forward=lambda model, batch: model["fc"](model["lstm"](batch[0])[1][0][0]))
    with torch.no_grad():
        expected = fc(torch.cat([lstm(one)[1][0] for one in sequences])).numpy()
    # sums of five products of numbers of order one
    np.testing.assert_allclose(seen.layers["fc"].means, expected, rtol=0, atol=1e-13)


def test_a_network_without_logits_has_neither_classifier_nor_accuracy():
    def forward(model: nn.Module, batch) -> None:
        model(batch[0])

    seen = probe(MODEL, DATA, forward=forward, classes=CLASSES)
    assert (seen.classifier, seen.accuracy, seen.samples) == (None, None, 17)
    expect_same(seen.layers["fc"], probe(MODEL, DATA).layers["fc"])
    with pytest.raises(InvalidInputError, match="classes: expected a number, because forward gave no logits"):
        probe(MODEL, DATA, forward=forward)


def test_the_loader_is_consumed_once_and_progress_is_reported():
    done: list[int] = []
    seen = probe(MODEL, iter(DATA), progress=done.append)
    assert done == [7, 13, 17]
    assert seen.samples == 17


def test_inputs_are_moved_to_the_device_of_the_model_or_the_one_given():
    places = []

    def forward(model: nn.Module, batch) -> torch.Tensor:
        places.append(batch["x"][0].device.type)
        return model(torch.ones(2, 4, dtype=torch.float64))

    data = [{"x": [torch.zeros(2, 4)]}]
    probe(MODEL, data, forward=forward, labels=lambda _: [0, 1])
    probe(MODEL, data, forward=forward, labels=lambda _: [0, 1], device="meta")
    assert places == ["cpu", "meta"]


def test_models_without_parameters_take_inputs_as_they_are():
    seen = probe(nn.Sequential(nn.Identity()), batches(CLASSES), layers=["0"])
    assert (seen.layers["0"].width, seen.classifier) == (CLASSES, None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"labels: expected 0 to 2, but found 0 to 3; relabel, or raise the number of classes"),
        ([0, -100, 1], r"labels: expected 0 to 2, but found -100 to 1"),
        (
            [0.0, 1.0, 2.0],
            r"labels: expected whole numbers, but found torch.float32; if they are class numbers pass labels=",
        ),
        ([True, False, True], r"labels: expected whole numbers, but found torch.bool"),
        ([0, 1], r"labels: expected one per sample, but found 2 labels and 3 rows of logits"),
        ([[0], [1], [2]], r"labels: expected one .*, shape \(N,\) .* found \(3, 1\); pass labels=.* squeeze\(1\)"),
        (
            [[[0]]],
            r"labels: expected one number .* but found \(1, 1, 1\); pass labels=lambda .* one class number per sample$",
        ),
        ([], r"labels: expected one number per sample, .* but found \(0,\)"),
        (1, r"labels: expected one number per sample, .* but found \(\); the loader gives single samples, put a"),
    ],
)
def test_wrong_labels_are_refused(labels, message: str):
    with pytest.raises(InvalidInputError, match=message):
        probe(MODEL, [(torch.ones(3, 4, dtype=torch.float64), torch.tensor(labels))])


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (torch.ones(3, 4), "Tensor"),
        ((torch.ones(3, 4),), "tuple of length 1"),
        ({"x": torch.ones(3, 4)}, r"a mapping with keys \['x'\]"),
    ],
)
def test_batches_without_labels_are_refused(batch, found: str):
    with pytest.raises(InvalidInputError, match=f"loader: expected batches .* but found {found}; pass labels=lambda"):
        probe(MODEL, [batch])


def test_entries_that_are_no_arguments_of_the_model_are_refused():
    message = r"batch: expected .* arguments of Sum.forward\(x.*\), but found \['image'\]; pass forward=lambda model"
    with pytest.raises(InvalidInputError, match=message):
        probe(MODEL, [{"image": torch.ones(3, 4, dtype=torch.float64), "label": torch.arange(3)}])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda z: z[:, None], {}, r"logits: expected a tensor \(N, K\) from the model, but found shape \(7, 1, 3\)"),
        (lambda z: z, {"classes": 4}, r"logits: expected a tensor \(N, 4\) from the model, but found shape \(7, 3\)"),
        (lambda z: "text", {}, r"logits: expected .* but found str; pass forward=lambda model, batch: ..."),
        (lambda z: z / 0, {}, r"logits: expected finite entries, but found 21 that are not, .* the network diverged"),
        (lambda z: z[:, :1], {}, r"classes: expected at least 2, but found 1; for one logit per sample"),
    ],
)
def test_wrong_logits_are_refused(make, options: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        probe(randomised(Sum(make)), DATA, **options)


def test_no_data_is_refused():
    with pytest.raises(InvalidInputError, match="loader: expected at least one batch, but found none; a generator"):
        probe(MODEL, iter([]))


def test_features_that_are_not_finite_are_refused_with_their_layer():
    model = randomised(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, CLASSES)))
    data = batches(4)
    data[1][0][2, 1] = float("nan")
    forward = lambda model, batch: model(batch[0]).nan_to_num()  # noqa: E731
    message = r"^0: expected finite entries, but found 5 that are not, the first in row 2 of a batch; look whether"
    with pytest.raises(InvalidInputError, match=message):
        probe(model, data, forward=forward)
    with pytest.raises(InvalidInputError, match=message):
        probe(model, data)


def test_a_data_loader_does_for_a_loader():
    inputs, labels = (torch.cat(parts) for parts in zip(*DATA, strict=True))
    seen = probe(MODEL, DataLoader(TensorDataset(inputs, labels), batch_size=5))
    expect_same(seen.layers["fc"], probe(MODEL, DATA).layers["fc"])


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_traced_modules_do_not_tell_their_arguments_and_have_no_layers():
    traced = torch.jit.trace(MODEL, torch.ones(3, 4, dtype=torch.float64))
    with pytest.raises(InvalidInputError, match=r"layers: expected output of .* a scripted, exported or graphed model"):
        probe(traced, [{"x": torch.ones(3, 4, dtype=torch.float64), "label": torch.arange(3)}])
