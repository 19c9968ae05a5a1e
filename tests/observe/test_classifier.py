"""Which layer is the classifier, what enters it, and how far it agrees with the nearest class mean."""

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
        ("body", r"classifier: expected 'body' to run once per batch from \(N, d\) to \(N, 3\), but found"),
        ("c", r"layers: expected names of model.named_modules\(\), but found 'c'"),
        ("", r"classifier: expected an nn.Linear, but found Two at ''; name the layer that gives the logits"),
        ("unused", r"classifier: expected 'unused' to run once .* but found no such call"),
    ],
)
def test_a_named_layer_that_is_no_classifier_is_refused(name: str, message: str):
    model = Two()
    model.unused = nn.Linear(5, CLASSES)
    with pytest.raises(InvalidInputError, match=message):
        probe(randomised(model), DATA, classifier=name)


def test_a_named_layer_on_sequences_is_refused():
    model = randomised(nn.Sequential(nn.Linear(4, CLASSES)))
    with pytest.raises(InvalidInputError, match=r"classifier: expected '0' to run once .* but found no such call"):
        probe(model, batches(2, 4), classifier="0", forward=lambda model, batch: model(batch[0])[:, 0])


def test_a_classifier_that_changes_from_batch_to_batch_is_refused():
    model = randomised(Two())

    def forward(model: Two, batch) -> torch.Tensor:
        model.finish = (lambda a, b: a) if len(batch[1]) == 7 else (lambda a, b: b)
        return model(batch[0])

    with pytest.raises(InvalidInputError, match=r"classifier: expected the logits of every batch from 'a', .* others"):
        probe(model, DATA, forward=forward)
