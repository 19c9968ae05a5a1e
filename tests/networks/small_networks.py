"""Small networks and images for tests of the training loop."""

import numpy as np
import torch
from torch import nn

from deepcollapse.networks import LabelledImages, Network, deep_head, mlp
from deepcollapse.networks.conv_net import conv_net

__all__ = ["normalised", "plain", "random_images"]


def random_images(per_class: int = 4, *, classes: int = 3, side: int = 6, seed: int = 0) -> LabelledImages:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    means = rng.standard_normal((classes, 1, side, side))
    return LabelledImages(means[labels] + 0.3 * rng.standard_normal((len(labels), 1, side, side)), labels, classes)


def plain(*, seed: int = 0, classes: int = 3, layers: int = 2, dtype: torch.dtype = torch.float64) -> Network:
    generator = torch.Generator().manual_seed(seed)
    backbone = mlp((36, 8, 5), generator=generator)
    head = deep_head(classes, layers=layers, width=5, generator=generator, scale=1.0)
    return Network(backbone, head).to(device="cpu", dtype=dtype)


def normalised(*, seed: int = 0, classes: int = 3, dtype: torch.dtype = torch.float32) -> Network:
    """Convolutions with BatchNorm and dropout."""
    generator = torch.Generator().manual_seed(seed)
    stem = conv_net((1, 6, 6), generator=generator, channels=(4,), width=5)
    backbone = nn.Sequential(stem[0], nn.BatchNorm2d(4), *stem[1:-1], nn.Dropout(0.2), stem[-1])
    head = deep_head(classes, layers=2, width=5, generator=generator, scale=1.0)
    return Network(backbone, head).to(device="cpu", dtype=dtype)
