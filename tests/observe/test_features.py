"""What is read off an output: which tensor, which axis, pooled how."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import probe
from observe.families import CLASSES, LstmClassifier, batches, expect_same, moments_of, randomised


class Gives(nn.Module):
    """Returns whatever a function makes of its input."""

    def __init__(self, make) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(x)


class Around(nn.Module):
    """Logits that do not depend on the part that is observed."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.part(x)
        return x.flatten(1)[:, :CLASSES]


def observed(part: nn.Module, data: list, **options: Any):
    return probe(Around(part), data, layers=["part"], **options).layers["part"]


def test_poolings_of_a_sequence():
    data = batches(5, 4)
    expected = {
        "mean": lambda x: x.mean(dim=1),
        "flatten": lambda x: x.reshape(len(x), 20),
        "first": lambda x: x[:, 0],
        "last": lambda x: x[:, 4],
    }
    for pooling, rows in expected.items():
        found = observed(nn.Identity(), data, pooling=pooling)
        expect_same(found, moments_of([rows(x) for x, _ in data], data))


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_images_are_pooled_over_their_positions(pooling: str):
    data = batches(4, 3, 2)
    expect_same(
        observed(nn.Identity(), data, pooling=pooling), moments_of([x.mean(dim=3).mean(dim=2) for x, _ in data], data)
    )


def test_images_are_flattened_channel_by_channel():
    data = batches(4, 3, 2)
    expect_same(
        observed(nn.Identity(), data, pooling="flatten"), moments_of([x.reshape(-1, 24) for x, _ in data], data)
    )


def test_channels_are_last_behind_linear_layers_and_second_behind_convolutions():
    images, signals = batches(4, 3, 5), batches(5, 9)
    linear, convolution = randomised(nn.Linear(5, 6)), randomised(nn.Conv1d(5, 6, 3))
    with torch.no_grad():
        expect_same(
            observed(linear, images), moments_of([linear(x).flatten(1, 2).mean(dim=1) for x, _ in images], images)
        )
        expect_same(
            observed(convolution, signals), moments_of([convolution(x).mean(dim=2) for x, _ in signals], signals)
        )


def test_one_number_per_sample_is_a_feature_of_width_one():
    data = batches(4)
    found = observed(Gives(lambda x: x.sum(dim=1)), data)
    expect_same(found, moments_of([x.sum(dim=1, keepdim=True) for x, _ in data], data))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (None, x + 1),
        lambda x: [x + 1, x],
        lambda x: OrderedDict(loss=None, state=x + 1, other=x),
        lambda x: {"parts": (x + 1, x)},
    ],
    ids=["tuple", "list", "mapping", "nested"],
)
def test_the_first_tensor_of_an_output_is_meant(make):
    data = batches(4)
    expect_same(observed(Gives(make), data), moments_of([x + 1 for x, _ in data], data))


@pytest.mark.parametrize(
    ("make", "choice"),
    [
        (lambda x: (x, x + 1), 1),
        (lambda x: {"a": x, "b": x + 1}, "b"),
        (lambda x: (x, {"b": x + 1}), lambda output: output[1]["b"]),
    ],
    ids=["index", "key", "function"],
)
def test_another_part_can_be_named(make, choice):
    data = batches(4)
    expect_same(observed(Gives(make), data, outputs={"part": choice}), moments_of([x + 1 for x, _ in data], data))


def test_a_later_change_in_place_does_not_reach_the_features():
    data = batches(4)
    part = nn.Sequential(nn.Identity(), Gives(lambda x: x.mul_(0)))
    found = probe(Around(part), [(x.clone(), y) for x, y in data], layers=["part.0"])
    expect_same(found.layers["part.0"], moments_of([x for x, _ in data], data))


def test_sequences_with_time_first_are_turned():
    data = batches(3, 4)
    expected = probe(randomised(LstmClassifier()), data, layers=["lstm"])
    seen = probe(randomised(LstmClassifier(batch_first=False)), data, layers=["lstm"])
    expect_same(seen.layers["lstm"], expected.layers["lstm"])


@pytest.mark.parametrize("batch_first", [True, False])
def test_final_states_of_a_recurrent_layer_have_layers_before_samples(batch_first: bool):
    data = batches(6, 4, sizes=(4, 4))
    model = nn.GRU(4, 4, num_layers=4, batch_first=batch_first).double()
    part = model if batch_first else nn.Sequential(Gives(lambda x: x.transpose(0, 1)), model)
    name = "part" if batch_first else "part.1"
    seen = probe(Around(part), data, layers=[name], outputs={name: 1}, pooling="last")
    with torch.no_grad():
        states = [model(x if batch_first else x.transpose(0, 1))[1][-1] for x, _ in data]
    expect_same(seen.layers[name], moments_of(states, data))


def test_attention_with_time_first_is_turned_and_its_weights_are_not():
    data = batches(7, 4)
    attention = randomised(nn.MultiheadAttention(4, 2))
    part = Gives(lambda x: attention(*[x.transpose(0, 1)] * 3))
    part.attention = attention
    for choice in (0, 1):
        seen = probe(Around(part), data, layers=["part.attention"], outputs={"part.attention": choice})
        with torch.no_grad():
            raw = [attention(*[x.transpose(0, 1)] * 3)[choice] for x, _ in data]
        rows = [(x.transpose(0, 1) if choice == 0 else x).mean(dim=1) for x in raw]
        # the fused path sums in another order
        np.testing.assert_allclose(
            seen.layers["part.attention"].means, moments_of(rows, data).means, rtol=0, atol=1e-13
        )


def test_samples_that_cannot_be_told_from_positions_are_refused():
    part = nn.Sequential(nn.Identity(), Gives(lambda x: x))
    part.other = nn.LSTM(1, 1)
    model = Around(part)
    part.other.forward = lambda x: x
    with pytest.raises(
        InvalidInputError, match=r"part.0: expected to tell samples from positions, but found .*7, 7, 4"
    ):
        probe(model, batches(7, 4), layers=["part.0"])
    seen = probe(model, batches(7, 4), layers=["part.0"], outputs={"part.0": lambda output: output})
    assert seen.layers["part.0"].width == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x.long(), r"part: expected floating-point features with samples first, but found torch.int64"),
        (lambda x: x.sum(), r"part: expected floating-point .* of shape \(\); choose another layer"),
        (lambda x: "text", r"part: expected a tensor in the output, but found str; pass outputs="),
        (lambda x: x[1:], r"part: expected one row for each of 7 samples, but found 6; pass outputs="),
        (lambda x: x / 0, r"part: expected finite entries, but found 28 that are not"),
        (lambda x: x[:, : len(x) - 3], r"part: expected width 4 as in the first batch, but found 3; use pooling"),
    ],
)
def test_outputs_without_features_are_refused(make, message: str):
    with pytest.raises(InvalidInputError, match=message):
        observed(Gives(make), batches(4))


def test_finite_features_whose_sum_is_not_are_taken():
    data = batches(4, dtype=torch.float16)
    found = observed(Gives(lambda x: x * 0 + 60000), data)
    expect_same(found, moments_of([x * 0 + 60000 for x, _ in data], data))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (2, r"part: expected 2 in the output, but found tuple of length 2; correct outputs\['part'\]"),
        ("key", r"part: expected 'key' in the output, but found tuple of length 2"),
        (1, r"part: expected a tensor in the output, but found dict; pass outputs="),
    ],
)
def test_parts_that_do_not_exist_are_refused(choice, message: str):
    with pytest.raises(InvalidInputError, match=message):
        observed(Gives(lambda x: (x, {})), batches(4), outputs={"part": choice})


def test_keys_of_mappings_are_listed():
    with pytest.raises(InvalidInputError, match=r"part: expected 'c' in the output, but found \['a', 'b'\]"):
        observed(Gives(lambda x: {"a": x, "b": x}), batches(4), outputs={"part": "c"})


def test_outputs_of_layers_that_are_not_observed_are_refused():
    with pytest.raises(InvalidInputError, match=r"outputs: expected names of layers that are observed, .* \['other'\]"):
        observed(nn.Identity(), batches(4), outputs={"other": 0})


def test_unknown_poolings_are_refused():
    with pytest.raises(InvalidInputError, match=r"pooling: expected one of \['mean', .* found 'max'"):
        observed(nn.Identity(), batches(4), pooling="max")
