"""Which layer is the classifier, what enters it, and how far it agrees with the nearest class mean."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import Classifier, probe
from observe.families import CLASSES, batches, expect_same, moments_of, randomised

DATA = batches(4)


class Two(nn.Module):
    """Two linear layers of one shape, of which one gives the logits."""

    def __init__(self, finish=lambda a, b: a, *, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.Linear(4, 5)
        self.a = nn.Linear(5, CLASSES, bias=bias)
        self.b = nn.Linear(5, CLASSES)
        self.finish = finish

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.body(x).relu()
        return self.finish(self.a(features), self.b(features.tanh()))


def features(model: Two, data: list) -> list[torch.Tensor]:
    with torch.no_grad():
        return [model.body(inputs).relu() for inputs, _ in data]


def agreement(
    rows: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, classes=range(CLASSES)
) -> float:
    """Share of samples, one at a time."""
    means, kept = [rows[labels == k].mean(axis=0) for k in classes], list(classes)
    same = [
        int(np.argmax((weight @ row + bias)[kept])) == int(np.argmin([np.linalg.norm(row - mean) for mean in means]))
        for row in rows
    ]
    return sum(same) / len(same)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_classifier_is_the_layer_that_gave_the_logits(dtype: torch.dtype, bias: bool):
    model, data = randomised(Two(bias=bias), dtype), batches(4, dtype=dtype, sizes=(40, 30))
    found = probe(model, data).classifier
    assert isinstance(found, Classifier)
    assert found.name == "a"
    weight = model.a.weight.detach().double().numpy()
    np.testing.assert_array_equal(found.weight, weight)
    offset = model.a.bias.detach().double().numpy() if bias else np.zeros(CLASSES)
    assert (found.bias is not None) == bias
    if bias:
        np.testing.assert_array_equal(found.bias, offset)
    rows = features(model, data)
    expect_same(found.moments, moments_of(rows, data))
    labels = torch.cat([y for _, y in data]).numpy()
    share = agreement(torch.cat(rows).double().numpy(), labels, weight, offset)
    assert found.agreement == share
    assert 0 < share < 1


def test_the_last_of_equal_outputs_and_not_the_last_layer():
    assert probe(randomised(Two(lambda a, b: b)), DATA).classifier.name == "b"
    twins = randomised(Two())
    twins.b = nn.Sequential(nn.Identity(), twins.a)
    twins.finish = lambda a, b: a * 1
    assert probe(twins, DATA).classifier.name == "a"


def test_logits_in_another_precision_are_the_same_logits():
    model = randomised(Two(lambda a, b: a.float()), torch.bfloat16)
    assert probe(model, batches(4, dtype=torch.bfloat16)).classifier.name == "a"


@pytest.mark.parametrize(
    "finish",
    [
        lambda a, b: a.log_softmax(dim=1),
        lambda a, b: a + b,
        lambda a, b: a.mul_(2),
    ],
    ids=["softmax", "sum", "in place"],
)
def test_what_no_layer_gave_has_no_classifier_unless_named(finish):
    model = randomised(Two(finish))
    seen = probe(model, DATA)
    assert seen.classifier is None
    assert seen.accuracy is not None
    named = probe(model, DATA, classifier="a").classifier
    assert named.name == "a"
    expect_same(named.moments, moments_of(features(model, DATA), DATA))


class Cosine(nn.Linear):
    """A linear layer by name only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(nn.functional.normalize(x), nn.functional.normalize(self.weight))


def test_a_subclass_that_computes_something_else_is_no_classifier():
    model = randomised(nn.Sequential(nn.Linear(4, 5), Cosine(5, CLASSES)))
    assert probe(model, DATA).classifier is None


def test_the_classifier_is_found_though_its_output_is_not_asked_for():
    seen = probe(randomised(Two()), DATA, layers=[])
    assert seen.layers == {}
    assert seen.classifier.name == "a"


def test_further_training_does_not_change_what_was_observed():
    model = randomised(Two())
    found = probe(model, DATA).classifier
    weight, bias = found.weight.copy(), found.bias.copy()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    np.testing.assert_array_equal(found.weight, weight)
    np.testing.assert_array_equal(found.bias, bias)


def test_an_input_passed_by_keyword_is_seen():
    model = nn.ModuleDict({"fc": randomised(nn.Linear(4, CLASSES))})
    seen = probe(model, DATA, forward=lambda model, batch: model["fc"](input=batch[0]))
    expect_same(seen.classifier.moments, moments_of([x for x, _ in DATA], DATA))


def test_classes_without_samples_take_no_part_in_agreement():
    model, data = randomised(Two()), [(x[y > 0], y[y > 0]) for x, y in DATA]
    seen = probe(model, data).classifier
    rows, labels = torch.cat(features(model, data)).numpy(), torch.cat([y for _, y in data]).numpy()
    assert seen.moments.counts.tolist()[0] == 0
    assert seen.agreement == agreement(rows, labels, seen.weight, seen.bias, classes=(1, 2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "body",
            r"classifier: expected 'body' to run once per batch from \(N, d\) to \(N, 3\), .* \(7, 4\) -> \(7, 5\)",
        ),
        ("c", r"layers: expected names of model.named_modules\(\), but found 'c'"),
        ("", r"classifier: expected nn.Linear, .* but found Two at ''; name the layer that gives the logits"),
        ("unused", r"classifier: expected 'unused' to run once .* but found no call of a linear layer"),
    ],
)
def test_a_named_layer_that_is_no_classifier_is_refused(name: str, message: str):
    model = Two()
    model.unused = nn.Linear(5, CLASSES)
    with pytest.raises(InvalidInputError, match=message):
        probe(randomised(model), DATA, classifier=name)


class Positions(nn.Module):
    """A linear map at every position, whose logits are taken by ``choose`` from its output (N, T, K)."""

    def __init__(self, head: nn.Module, choose) -> None:
        super().__init__()
        self.body, self.head, self.choose = nn.Linear(4, 5), head, choose

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.choose(self.head(self.entering(x)))

    def entering(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.body(x).tanh()
        return rows if isinstance(self.head, nn.Linear) else rows.movedim(-1, 1)


def conv_head(axes: int, kernel: int = 1) -> nn.Module:
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](5, CLASSES, kernel)


PICKED = torch.tensor([2, 0, 1, 1, 2, 0, 1])


@pytest.mark.parametrize(
    ("head", "shape", "choose", "read"),
    [
        (nn.Linear(5, CLASSES), (3, 4), lambda z: z[:, -1], lambda x: x[:, -1]),
        (nn.Linear(5, CLASSES), (3, 4), lambda z: z[:, 0], lambda x: x[:, 0]),
        (
            nn.Linear(5, CLASSES),
            (3, 4),
            lambda z: z[range(len(z)), PICKED[: len(z)]],
            lambda x: x[range(len(x)), PICKED[: len(x)]],
        ),
        (nn.Linear(5, CLASSES), (3, 4), lambda z: z.mean(dim=1), lambda x: x.mean(dim=1)),
        (nn.Linear(5, CLASSES), (2, 3, 4), lambda z: z[:, 1, 2], lambda x: x[:, 1, 2]),
        (conv_head(1), (1, 4), lambda z: z[..., 0], lambda x: x[..., 0]),
        (conv_head(2), (1, 1, 4), lambda z: z.flatten(1), lambda x: x.flatten(1)),
        (conv_head(2), (2, 3, 4), lambda z: z.mean(dim=(2, 3)), lambda x: x.mean(dim=(2, 3))),
        (conv_head(3), (1, 2, 1, 4), lambda z: z[:, :, 0, 1, 0], lambda x: x[:, :, 0, 1, 0]),
        (conv_head(2, kernel=2), (2, 2, 4), lambda z: z.flatten(1), lambda x: x.flatten(1)),
    ],
    ids=["last", "first", "varying", "mean", "two axes", "conv1d", "conv2d", "pooled", "conv3d", "whole kernel"],
)
@pytest.mark.parametrize("wanted", [None, "head"])
def test_a_linear_map_at_each_position_is_a_classifier(head, shape, choose, read, wanted):
    model, data = randomised(Positions(head, choose)), batches(*shape)
    found = probe(model, data, classifier=wanted).classifier
    with torch.no_grad():
        rows = [read(model.entering(x)) for x, _ in data]
        logits = torch.cat([model(x) for x, _ in data]).numpy()
    assert found.name == "head"
    # sums of at most 20 products of numbers of order one
    np.testing.assert_allclose(torch.cat(rows).numpy() @ found.weight.T + found.bias, logits, rtol=0, atol=1e-13)
    expect_same(found.moments, moments_of(rows, data))


def test_padding_decides_between_positions_that_give_the_same_logits():
    model, data = randomised(Positions(nn.Linear(5, CLASSES), lambda z: z[:, 1])), batches(3, 4)
    with torch.no_grad():
        model.head.weight.zero_()
    real = lambda batch: torch.tensor([[True, True, False]]).expand(len(batch[1]), 3)  # noqa: E731
    found = probe(model, data, mask=real).classifier
    with torch.no_grad():
        expect_same(found.moments, moments_of([model.entering(x)[:, 1] for x, _ in data], data))


@pytest.mark.parametrize(
    "choose",
    [lambda z: z[:, 0] + z[:, 1], lambda z: z.max(dim=1).values, lambda z: z[:, 0].softmax(dim=1)],
    ids=["sum", "maximum", "softmax"],
)
def test_logits_that_are_no_linear_map_of_features_have_no_classifier(choose):
    model, data = randomised(Positions(nn.Linear(5, CLASSES), choose)), batches(3, 4)
    seen = probe(model, data)
    assert seen.classifier is None
    (note,) = seen.notes
    assert "found body (7, 3, 4) -> (7, 3, 5), head (7, 3, 5) -> (7, 3, 3)" in note
    assert "classifier=" not in note  # naming it would be refused
    with pytest.raises(
        InvalidInputError, match=r"classifier: expected 'head' .* found head \(7, 3, 5\) -> \(7, 3, 3\);"
    ):
        probe(model, data, classifier="head")


def test_a_convolution_that_sees_neighbours_is_no_classifier():
    model, data = randomised(Positions(nn.Conv1d(5, CLASSES, 3, padding=1), lambda z: z[..., 1])), batches(3, 4)
    assert probe(model, data).classifier is None
    with pytest.raises(InvalidInputError, match=r"found head \(7, 5, 3\) -> \(7, 3, 3\)"):
        probe(model, data, classifier="head")


def test_many_calls_on_sequences_do_not_hide_the_last():
    model = randomised(nn.Sequential(*[nn.Linear(4, 4) for _ in range(9)], nn.Linear(4, CLASSES)))
    forward = lambda model, batch: model(batch[0])[:, 0]  # noqa: E731
    assert probe(model, batches(3, 4), forward=forward).classifier.name == "9"


def changing(model: Two, batch) -> torch.Tensor:
    model.finish = (lambda a, b: a) if len(batch[1]) == 7 else (lambda a, b: b)
    return model(batch[0])


def test_a_classifier_that_changes_from_batch_to_batch_is_left_out_unless_named():
    seen = probe(randomised(Two()), DATA, forward=changing)
    assert seen.classifier is None
    assert list(seen.layers) == ["body", "a", "b"]
    assert "linear layer from 'a' in a later batch, as in the first" in seen.notes[0]
    assert probe(randomised(Two()), DATA, forward=changing, classifier="a").classifier.name == "a"


class Conv1D(nn.Module):
    """The linear map of transformers, whose weight is d x K."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + self.bias


def test_the_transposed_linear_map_of_transformers_is_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers.pytorch_utils", SimpleNamespace(Conv1D=Conv1D))
    model = randomised(nn.Sequential(Conv1D(5, 4), nn.ReLU(), Conv1D(CLASSES, 5)))
    seen = probe(model, DATA)
    assert list(seen.layers) == ["0", "2"]
    np.testing.assert_array_equal(seen.classifier.weight, model[2].weight.detach().numpy().T)


def test_a_weight_of_which_a_part_is_here_is_refused():
    model = randomised(nn.Sequential(nn.Linear(4, CLASSES)))
    hook = lambda module, *_: setattr(module.weight, "data", torch.empty(0, dtype=torch.float64))  # noqa: E731
    model[0].register_forward_hook(hook)
    with pytest.raises(InvalidInputError, match=r"expected the whole weight of '0', but found a part of shape \(0,\)"):
        probe(model, DATA[:1])
