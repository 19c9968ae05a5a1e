"""Backbones as specifications name them."""

import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.experiments.backbones import (
    Backbone,
    ConvBackbone,
    FactoryBackbone,
    MlpBackbone,
    ResNetBackbone,
)


def factory(shape: tuple[int, ...], *, width: int, generator: torch.Generator, bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width, bias=bias))


def from_torchs_numbers(shape: tuple[int, ...], *, width: int, generator: torch.Generator) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width))


def no_module(shape: tuple[int, ...], **_: object) -> int:
    return len(shape)


def raising(shape: tuple[int, ...], **_: object) -> nn.Module:
    raise RuntimeError("no such layer")


OWN = "experiments.test_backbones:factory"


@pytest.mark.parametrize(
    ("backbone", "width"),
    [
        (MlpBackbone(hidden=(7,)), 5),
        (ConvBackbone(channels=(4,)), 5),
        (ResNetBackbone(), 64),
        (ResNetBackbone(residual_scale=0.0), 5),
        (ResNetBackbone(projection=True), 64),
        (FactoryBackbone(factory=OWN, arguments={"bias": False}), 5),
    ],
    ids=repr,
)
def test_images_become_features(backbone: Backbone, width: int):
    made = backbone.module((3, 8, 8), width=width, generator=torch.Generator().manual_seed(0))
    assert made.double()(torch.rand(4, 3, 8, 8, dtype=torch.float64)).shape == (4, width)


def test_only_a_projection_gives_features_of_both_signs():
    images = torch.randn(20, 3, 8, 8, dtype=torch.float64)
    plain, mapped = (
        ResNetBackbone(projection=p).module((3, 8, 8), width=64, generator=torch.Generator().manual_seed(0))(images)
        for p in (None, True)
    )
    assert plain.min() >= 0 > mapped.min()


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (ResNetBackbone(projection=False), r"backbone.projection: expected head.width 64 without one, but found 5"),
        (FactoryBackbone(factory="nowhere:f"), r"expected package.module:function, but found 'nowhere:f' .*PYTHONPATH"),
        (FactoryBackbone(factory="math"), r"expected package.module:function, but found 'math'"),
        (FactoryBackbone(factory="math:nothing"), r"expected package.module:function, but found 'math:nothing'"),
        (FactoryBackbone(factory=OWN.replace("factory", "no_module")), r"expected a torch.nn.Module .*but found int"),
        (FactoryBackbone(factory=".here:f"), r"expected package.module:function, but found '.here:f' \(the 'package'"),
        (
            FactoryBackbone(factory=OWN, arguments={"depth": 3}),
            r"test_backbones:factory to take an image's shape, width, generator and its arguments, but found TypeError",
        ),
        (FactoryBackbone(factory=OWN.replace("factory", "raising")), r"but found RuntimeError\('no such layer'\)"),
    ],
    ids=repr,
)
def test_mistakes(backbone: Backbone, message: str):
    with pytest.raises(InvalidInputError, match=message):
        backbone.module((3, 8, 8), width=5, generator=torch.Generator())


def test_convolutions_need_images():
    with pytest.raises(InvalidInputError, match=r"expected images of channels x height x width, but found shape \(64,"):
        ConvBackbone().module((64,), width=5, generator=torch.Generator())
