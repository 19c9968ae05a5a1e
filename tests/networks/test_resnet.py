"""ResNet-20 and the small convolutional net: sizes, distributions, and blocks against their definition in loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.conv_net import conv_net, convolution
from deepcollapse.networks.resnet import ResidualBlock, resnet20


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def looped_convolution(x: np.ndarray, weight: np.ndarray, *, stride: int) -> np.ndarray:
    """The 3x3 convolution of one image with zeros around it, entry by entry."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, breadth = (-(-side // stride) for side in x.shape[1:])
    result = np.zeros((len(weight), height, breadth))
    for c, i, j in np.ndindex(result.shape):
        patch = padded[:, stride * i : stride * i + 3, stride * j : stride * j + 3]
        result[c, i, j] = (patch * weight[c]).sum()
    return result


def normed(batch: np.ndarray, weight: float = 1.0) -> np.ndarray:
    mean, variance = batch.mean(axis=(0, 2, 3), keepdims=True), batch.var(axis=(0, 2, 3), keepdims=True)
    return weight * (batch - mean) / np.sqrt(variance + 1e-5)


def test_the_classifier_has_the_parameters_of_the_original():
    # He et al. 2016, Table 6: 0.27 M; by hand: stem 432 + 32, stages 14016 + 51072 + 203520, classifier 650
    assert parameters(resnet20(3, generator=seeded(), width=10)) == 269_722
    assert parameters(resnet20(3, generator=seeded())) == 269_722 - 650
    assert parameters(resnet20(1, generator=seeded(), width=10)) == 269_722 - 2 * 9 * 16
    assert len([m for m in resnet20(3, generator=seeded()).modules() if isinstance(m, nn.Conv2d)]) == 19


@pytest.mark.parametrize("stride", [1, 2])
def test_what_is_overwritten_is_missed_by_no_gradient(stride: int):
    block = ResidualBlock(4, 4 * stride, stride=stride, generator=seeded(), residual_scale=0.7)
    first, norm, _, second, last = block.branch

    def plain(x: torch.Tensor) -> torch.Tensor:
        shortcut = nn.functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, 4 * stride - 4))
        return (shortcut + last(second(norm(first(x)).relu()))).relu()

    found = []
    for function in (block, plain):
        x = torch.randn(3, 4, 6, 6, generator=seeded(1), dtype=torch.float64).requires_grad_()
        output = function(x)
        found.append((output, *torch.autograd.grad(output.square().sum(), [x, *block.parameters()])))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


@pytest.mark.parametrize(("channels", "side", "final"), [(1, 28, 7), (3, 32, 8)])
def test_sizes_through_the_stages(channels: int, side: int, final: int):
    x = torch.randn(2, channels, side, side, generator=seeded(), dtype=torch.float64)
    shapes = []
    for layer in resnet20(channels, generator=seeded(1)):
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    stages = [(16, side, side)] * 6 + [(32, side // 2, side // 2)] * 3 + [(64, final, final)] * 3
    assert shapes == [*stages, (64, 1, 1), (64,)]


@settings(max_examples=20)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(3, 3, 1), (2, 4, 2), (1, 3, 2), (2, 2, 2)]),
    st.integers(2, 7),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_a_block_is_its_definition(seed: int, sizes: tuple[int, int, int], side: int, scale: float):
    inputs, outputs, stride = sizes
    block = ResidualBlock(inputs, outputs, stride=stride, generator=seeded(seed), residual_scale=scale)
    x = np.random.default_rng(seed).standard_normal((3, inputs, side, side + 1))
    first, second = (block.branch[i].weight.detach().numpy() for i in (0, 3))
    hidden = np.maximum(normed(np.stack([looped_convolution(one, first, stride=stride) for one in x])), 0.0)
    branch = normed(np.stack([looped_convolution(one, second, stride=1) for one in hidden]), scale)
    shortcut = np.zeros_like(branch)
    for n, c, i, j in np.ndindex(*shortcut.shape):
        if c < inputs:
            shortcut[n, c, i, j] = x[n, c, stride * i, stride * j]
    found = block(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(found, np.maximum(shortcut + branch, 0.0), rtol=0, atol=1e-10)


def test_without_residuals_blocks_start_as_shortcuts():
    images = torch.randn(4, 3, 16, 16, generator=seeded(), dtype=torch.float64)
    backbone = resnet20(3, generator=seeded(1), residual_scale=0.0)
    stem = backbone[:3](images)
    features = backbone(images)
    torch.testing.assert_close(features[:, :16], stem[:, :, ::4, ::4].mean(dim=(2, 3)))
    assert not features[:, 16:].any()
    features.sum().backward()
    assert backbone[3].branch[4].weight.grad.abs().max() > 0


def test_only_the_linear_map_gives_features_either_sign():
    images = torch.randn(8, 1, 12, 12, generator=seeded(), dtype=torch.float64)
    pooled, mapped = (resnet20(1, generator=seeded(1), width=width)(images) for width in (None, 64))
    assert pooled.shape == mapped.shape == (8, 64)
    assert pooled.min() >= 0
    assert mapped.min() < 0


def test_weights_have_the_variance_that_relu_keeps():
    weight = convolution(40, 100, generator=seeded()).weight.detach().numpy()
    # 36,000 normal draws of variance 2 / 360: relative standard error of the variance sqrt(2 / 36000) < 0.008
    assert weight.var() * 180 == pytest.approx(1.0, abs=0.04)
    assert abs(weight.mean()) * 180**0.5 < 5 / 36_000**0.5


@pytest.mark.parametrize(
    "build", [lambda g: resnet20(1, generator=g, width=5), lambda g: conv_net((1, 8, 8), generator=g)]
)
def test_only_the_generator_is_used(build):
    state = torch.get_rng_state()
    first, again, other = ([*build(seeded(seed)).parameters()] for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert {p.dtype for p in first} == {torch.float64}


def test_channels_last_is_kept_and_changes_nothing():
    backbone = resnet20(3, generator=seeded()).eval()
    images = torch.randn(2, 3, 16, 16, generator=seeded(1), dtype=torch.float64)
    plain = backbone(images)
    backbone, images = (
        backbone.to(memory_format=torch.channels_last),
        images.contiguous(memory_format=torch.channels_last),
    )
    assert backbone[:12](images).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(backbone(images), plain)


def test_the_conv_net_is_the_composition_of_its_layers():
    backbone = conv_net((2, 7, 9), generator=seeded(), channels=(3, 4), width=5)
    x = np.random.default_rng(0).standard_normal((2, 7, 9))
    found = backbone(torch.tensor(x)[None]).detach().numpy()[0]
    for index in (0, 3):
        layer = backbone[index]
        assert not layer.bias.any()
        x = np.maximum(looped_convolution(x, layer.weight.detach().numpy(), stride=1), 0.0)
        c, h, w = len(x), x.shape[1] // 2, x.shape[2] // 2
        x = x[:, : 2 * h, : 2 * w].reshape(c, h, 2, w, 2).max(axis=(2, 4))
    weight, bias = (p.detach().numpy() for p in backbone[6].parameters())
    np.testing.assert_allclose(found, weight @ x.ravel() + bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda g: resnet20(0, generator=g), r"channels: expected a whole number >= 1, but found 0; raise it"),
        (lambda g: resnet20(1, generator=g, width=0), r"width: expected a whole number >= 1, but found 0"),
        (
            lambda g: resnet20(1, generator=g, residual_scale=-1.0),
            r"residual_scale: expected a finite number >= 0, but found -1.0; 1 is the original",
        ),
        (lambda g: resnet20(1, generator=g, residual_scale=float("nan")), r"residual_scale: .* but found nan"),
        (lambda g: conv_net((0, 8, 8), generator=g), r"shape: expected sizes >= 1, but found \(0, 8, 8\); raise them"),
        (lambda g: conv_net((1, 8, 8), generator=g, channels=()), r"channels: expected sizes >= 1, but found \(\)"),
        (lambda g: conv_net((1, 8, 8), generator=g, width=0), r"width: expected a whole number >= 1, but found 0"),
        (
            lambda g: conv_net((1, 8, 7), generator=g, channels=(2, 2, 2)),
            r"channels: expected at most 2 stages, each halving images of 8x7, but found 3; leave some out",
        ),
    ],
)
def test_bad_sizes(build, message: str):
    with pytest.raises(InvalidInputError, match=message):
        build(seeded())
