"""Layers whose rows are not samples are left out with a note; only what was asked for by name is refused."""

import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import measure, probe
from observe.families import CLASSES, batches, expect_same, randomised


class Experts(nn.Module):
    """Each sample goes to one of several linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.route, self.fc = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, CLASSES)
        self.expert = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        choice, out = (self.route(x).sum(dim=1) * 7).long() % 3, torch.zeros_like(x)
        for number, expert in enumerate(self.expert):
            if (rows := choice == number).any():
                out[rows] = expert(x[rows])
        return self.fc(out.relu())


class Windows(nn.Module):
    """Attention within windows, which are folded into the axis of samples, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc = nn.Conv2d(1, 4, 2, stride=2), nn.Linear(4, CLASSES)
        self.qkv, self.proj = nn.Linear(4, 12), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        image = self.stem(x)
        count, width, side, _ = image.shape
        windows = (
            image.reshape(count, width, side // 2, 2, side // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, width)
        )
        query, key, value = self.qkv(windows).chunk(3, dim=-1)
        mixed = self.proj((query @ key.transpose(1, 2)).softmax(dim=-1) @ value)
        return self.fc(mixed.reshape(count, -1, width).mean(dim=1))


class Frames(nn.Module):
    """A network on single frames of videos (N, F, C, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.frame, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.frame(x.flatten(0, 1)).mean(dim=(2, 3)).reshape(len(x), -1, 4).mean(dim=1))


class Halves(nn.Module):
    """A layer whose output is a part of the batch in one batch, and no tensor in another."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.odd, self.fc = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, CLASSES)
        self.odd.register_forward_hook(lambda _module, _input, output: output if len(output) > 6 else "text")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        self.odd(x)
        return self.fc(x)


FAMILIES = {
    "experts": (Experts, (6,), ["stem", "route", "fc (input)", "fc"], ["expert.0", "expert.1", "expert.2"]),
    "windows": (Windows, (1, 8, 8), ["stem", "fc (input)", "fc"], ["qkv", "proj"]),
    "frames": (Frames, (5, 1, 6, 6), ["fc (input)", "fc"], ["frame"]),
    "no tensor": (Halves, (4,), ["stem", "fc (input)", "fc"], ["odd"]),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sizes", [(7, 6, 4), (17,), (4, 9, 4)], ids=str)
def test_what_has_no_row_for_each_sample_is_left_out_with_a_note(family: str, sizes: tuple[int, ...]):
    build, shape, kept, gone = FAMILIES[family]
    model, data = randomised(build()), batches(*shape, sizes=sizes)
    if (family, sizes) == ("no tensor", (17,)):
        pytest.skip("never without a tensor in one large batch")
    found = measure(model, data)
    assert [layer.name for layer in found.layers] == kept
    assert all(note.startswith("layers: left out") for note in found.notes)
    assert [name for name in gone if repr(name) in " ".join(found.notes)] == gone
    plain = [name for name in kept if not name.endswith("(input)")]
    named = probe(model, data, layers=plain)
    for name in plain:
        expect_same(found.layers[kept.index(name)].moments, named.layers[name])


@pytest.mark.parametrize("family", ["windows", "frames"])
def test_what_was_named_is_refused_and_the_remedy_works(family: str):
    build, shape, _, (gone, *_) = FAMILIES[family]
    model, data = randomised(build()), batches(*shape)
    with pytest.raises(
        InvalidInputError, match=rf"{gone}: expected one row for each of 7 samples, but found \d+; pass out"
    ):
        measure(model, data, layers=[gone])
    per_sample = {"windows": 4, "frames": 5}[family]
    own = {gone: lambda output: output.flatten(1).unflatten(0, (-1, per_sample)).mean(dim=1)}
    assert list(probe(model, data, layers=[gone], outputs=own).layers) == [gone]


def test_a_network_of_which_nothing_is_left_is_refused():
    model, data = randomised(Frames()), batches(5, 1, 6, 6)
    model.fc = nn.Flatten(0)  # type: ignore[assignment]
    with pytest.raises(InvalidInputError, match="frame: expected one row for each of 7 samples, but found 35"):
        probe(model, data, forward=lambda model, batch: (model.frame(batch[0].flatten(0, 1)), None)[1], classes=CLASSES)


def test_features_that_are_not_finite_are_refused_though_nothing_was_named():
    model, data = randomised(Experts()), batches(6)
    data[1][0][0] = torch.nan
    with pytest.raises(InvalidInputError, match="stem: expected finite entries"):
        measure(model, data)
