"""Networks of several families, each with its features collected by hand: submodules called one by one, no hooks."""

import numpy as np
import torch
from torch import nn

from deepcollapse.networks import resnet20
from deepcollapse.stats import ClassMoments, class_moments

CLASSES = 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomised(model: nn.Module, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The model with parameters and running statistics that are reproducible, and not those it starts with."""
    generator = seeded(1)
    for tensor in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
        fan_in = max(1, tensor[0].numel() if tensor.ndim > 1 else 4)
        drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64) / fan_in**0.5
        tensor.data = drawn if tensor.ndim > 1 else drawn.abs() + 0.5
    return model.to(dtype)


def batches(*shape: int, dtype: torch.dtype = torch.float64, sizes: tuple[int, ...] = (7, 6, 4)):
    """Batches of unequal sizes in which every class appears."""
    generator = seeded(2)
    found = []
    for size in sizes:
        labels = torch.arange(size) % CLASSES
        shift = labels.reshape(-1, *[1] * len(shape)).to(torch.float64)
        found.append(((torch.randn(size, *shape, generator=generator, dtype=torch.float64) + shift).to(dtype), labels))
    return found


def moments_of(rows: list[torch.Tensor], data: list) -> ClassMoments:
    """Of features collected by hand."""
    features = torch.cat(rows).double().numpy()
    return class_moments(features, torch.cat([batch[1] for batch in data]).numpy(), classes=CLASSES)


def expect_same(found: ClassMoments, expected: ClassMoments) -> None:
    """Equal up to the order of float64 sums: N additions of rounding 1.2e-16 each, N below 100, stay under 1e-13."""
    size = max(np.abs(expected.means).max(), 1e-300)
    reach = np.sqrt(np.trace(expected.scatter)) + size
    assert found.counts.tolist() == expected.counts.tolist()
    np.testing.assert_allclose(found.means, expected.means, rtol=0, atol=1e-13 * reach)
    np.testing.assert_allclose(found.scatter, expected.scatter, rtol=0, atol=1e-13 * reach**2)


def mlp_model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.ReLU(inplace=True), nn.Linear(6, CLASSES))


def mlp_by_hand(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    first = model[1](inputs.flatten(1)).clone()
    return {"1": first, "3": model[3](first.clamp(min=0))}


def resnet_model() -> nn.Module:
    return resnet20(2, generator=seeded(), width=CLASSES)


def resnet_by_hand(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    found, x = {"0": model[0](inputs)}, model[2](model[1](model[0](inputs)))
    for index in range(3, 12):
        block = model[index]
        branch = block.branch
        inner = branch[0](x)
        outer = branch[3](branch[2](branch[1](inner)))
        found |= {f"{index}.branch.0": inner, f"{index}.branch.3": outer}
        shortcut = x[:, :, :: block.stride, :: block.stride]
        widened = torch.cat([shortcut, torch.zeros_like(shortcut)[:, : block.widening]], dim=1)
        x = (widened + branch[4](outer)).relu()
    found = {name: image.mean(dim=(2, 3)) for name, image in found.items()}
    pooled = model[12](x).flatten(1)
    return found | {"14": model[14](pooled)}


class SmallViT(nn.Module):
    """Patches, a class token, two encoder layers, a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True, dropout=0.5)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(8, CLASSES)

    def tokens(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.patches(images).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(images), -1, -1), patches], dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.tokens(images))[:, 0])


def vit_by_hand(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    found, x = {"patches": model.patches(inputs).mean(dim=(2, 3))}, model.tokens(inputs)
    for depth, layer in enumerate(model.encoder.layers):
        x = layer.norm1(x + layer.self_attn(x, x, x, need_weights=False)[0])
        inner = layer.linear1(x)
        outer = layer.linear2(inner.relu())
        x = layer.norm2(x + outer)
        found |= {f"encoder.layers.{depth}.linear1": inner.mean(dim=1)}
        found |= {f"encoder.layers.{depth}.linear2": outer.mean(dim=1)}
    return found | {"head": model.head(x[:, 0])}


class LstmClassifier(nn.Module):
    """Two LSTM layers; the last output is classified."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, num_layers=2, batch_first=batch_first)
        self.fc = nn.Linear(5, CLASSES)

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        if self.lstm.batch_first:
            return self.fc(self.lstm(sequences)[0][:, -1])
        return self.fc(self.lstm(sequences.transpose(0, 1))[0][-1])


def lstm_by_hand(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    found, _ = model.lstm(inputs)
    return {"lstm": found.mean(dim=1), "fc": model.fc(found[:, -1])}
