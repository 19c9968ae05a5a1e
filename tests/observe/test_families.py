"""A probe gives the numbers of features collected by hand, for networks of several families and precisions."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.observe import probe
from observe.families import (
    LstmClassifier,
    SmallViT,
    batches,
    expect_same,
    lstm_by_hand,
    mlp_by_hand,
    mlp_model,
    moments_of,
    randomised,
    resnet_by_hand,
    resnet_model,
    vit_by_hand,
)

FAMILIES = {
    "mlp": (mlp_model, mlp_by_hand, (2, 4), None),
    "resnet": (resnet_model, resnet_by_hand, (2, 8, 8), None),
    "vit": (SmallViT, vit_by_hand, (1, 8, 12), None),
    "lstm": (LstmClassifier, lstm_by_hand, (3, 4), ["lstm", "fc"]),
}
DTYPES = [torch.float64, torch.float32, torch.bfloat16]


@contextmanager
def fused_attention(on: bool) -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(on)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def by_hand(collect, model: nn.Module, data: list) -> dict[str, list[torch.Tensor]]:
    model.eval()
    with torch.no_grad():
        found = [collect(model, inputs) for inputs, _ in data]
    return {name: [features[name] for features in found] for name in found[0]}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_moments_are_those_of_features_collected_by_hand(family: str, dtype: torch.dtype):
    build, collect, shape, layers = FAMILIES[family]
    model, data = randomised(build(), dtype), batches(*shape, dtype=dtype)
    with fused_attention(False):
        expected = by_hand(collect, model, data)
    seen = probe(model, data, layers=layers)
    assert list(seen.layers) == list(expected)
    for name, rows in expected.items():
        assert rows[0].dtype == dtype
        expect_same(seen.layers[name], moments_of(rows, data))
    *_, (last, logits) = expected.items()
    assert seen.samples == 17
    assert seen.accuracy == np.mean((torch.cat(logits).argmax(dim=1) == torch.cat([y for _, y in data])).numpy())
    assert seen.classifier.name == last
    expect_same(moments_of([*logits], data), seen.layers[last])


@pytest.mark.parametrize("family", ["mlp", "vit", "lstm"])
@pytest.mark.parametrize("ran", [False, True], ids=["fresh", "after a run"])
@pytest.mark.parametrize("in_place", [False, True], ids=["torch.compile", "model.compile"])
def test_a_compiled_model_is_observed_as_the_original(family: str, ran: bool, in_place: bool):
    build, _, shape, layers = FAMILIES[family]
    data = batches(*shape)
    expected = probe(randomised(build()), data, layers=layers)
    model = randomised(build())
    if in_place:
        model.compile(backend="eager")
    compiled = model if in_place else torch.compile(model, backend="eager")
    if ran:
        with torch.no_grad():
            compiled.eval()(data[0][0])
    seen = probe(compiled, data, layers=layers)
    assert list(seen.layers) == list(expected.layers)
    for name, moments in expected.layers.items():
        expect_same(seen.layers[name], moments)
    assert seen.classifier.name == expected.classifier.name
    assert seen.classifier.agreement == expected.classifier.agreement


def test_a_compiled_part_of_a_model_is_observed_by_its_plain_name():
    model, data = randomised(mlp_model()), batches(2, 4)
    expected = probe(model, data)
    parts = nn.Sequential(*model[:3], torch.compile(model[3], backend="eager"))
    with torch.no_grad():
        parts(data[0][0])
    seen = probe(parts, data)
    assert list(seen.layers) == ["1", "3"]
    expect_same(seen.layers["3"], expected.layers["3"])
    assert seen.classifier.name == "3"


def test_the_fused_path_of_transformer_layers_is_off_and_then_as_before():
    model, data = randomised(SmallViT()), batches(1, 8, 12)
    with fused_attention(True):
        expected = by_hand(vit_by_hand, model, data)
        with torch.no_grad():
            fused = torch.cat([model(inputs) for inputs, _ in data])
        seen = probe(model, data, layers=["encoder.layers.0.linear1", "encoder"], pooling="first")
        assert torch.backends.mha.get_fastpath_enabled()
    with fused_attention(False):
        probe(model, data)
        assert not torch.backends.mha.get_fastpath_enabled()
    # two ways to sum at most 16 products, through two layers whose LayerNorm divides by a spread of order one
    torch.testing.assert_close(torch.cat(expected["head"]), fused, rtol=0, atol=1e-12)
    assert list(seen.layers) == ["encoder.layers.0.linear1", "encoder"]
    head = seen.layers["encoder"].means @ model.head.weight.detach().numpy().T + model.head.bias.detach().numpy()
    np.testing.assert_allclose(head, moments_of([fused], data).means, rtol=0, atol=1e-12)


def test_features_under_autocast_are_bfloat16_and_statistics_float64():
    model, data = randomised(mlp_model(), torch.float32), batches(2, 4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = by_hand(mlp_by_hand, model, data)
        seen = probe(model, data)
    for name, rows in expected.items():
        assert rows[0].dtype == torch.bfloat16
        expect_same(seen.layers[name], moments_of(rows, data))
    assert seen.classifier.name == "3"
    assert 0 <= seen.classifier.agreement <= 1


def test_float16_features_are_taken_as_they_are():
    model, data = randomised(mlp_model(), torch.float16), batches(2, 4, dtype=torch.float16)
    expected = by_hand(mlp_by_hand, model, data)
    seen = probe(model, data)
    expect_same(seen.layers["1"], moments_of(expected["1"], data))


def test_channels_last_and_frozen_normalisation_change_nothing():
    model, data = randomised(resnet_model()), batches(2, 8, 8)
    expected = probe(model, data)
    model.to(memory_format=torch.channels_last).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    modes = [module.training for module in model.modules()]
    strided = [(inputs.to(memory_format=torch.channels_last), labels) for inputs, labels in data]
    seen = probe(model, strided)
    assert [module.training for module in model.modules()] == modes
    # another order of sums of up to 576 products, behind 20 layers
    for name, moments in expected.layers.items():
        np.testing.assert_allclose(
            seen.layers[name].means, moments.means, rtol=0, atol=1e-10 * np.abs(moments.means).max()
        )
