"""Padding takes no part: numbers do not depend on how samples are put into batches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import probe
from deepcollapse.observe.mask import real_positions
from deepcollapse.stats import class_moments

CLASSES, COUNT = 3, 12
TEXTS = [torch.randint(1, 20, (1 + 5 * k % 7,), generator=torch.Generator().manual_seed(k)) for k in range(COUNT)]
LABELS = torch.arange(COUNT) % CLASSES


class Text(nn.Module):
    """Layers on tokens (N, T, d), on channels (N, d, T), on parts of tokens (N, T, 10, d) and on their mean (N, d)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.conv = nn.Embedding(20, 6), nn.Linear(6, 20), nn.Conv1d(20, 6, 1)
        self.parts, self.head = nn.Linear(2, 4), nn.Linear(6, CLASSES)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        tokens = self.mix(self.embed(input_ids)).tanh()
        self.parts(tokens.reshape(*tokens.shape[:2], 10, 2))
        tokens = self.conv(tokens.transpose(1, 2)).transpose(1, 2)
        tokens = torch.where(attention_mask[..., None] > 0, tokens, torch.nan)  # padding that must not be touched
        weight = (attention_mask > 0).to(tokens)[..., None]
        return SimpleNamespace(logits=self.head((tokens.nan_to_num() * weight).sum(1) / weight.sum(1)))


@pytest.fixture(scope="module")
def model() -> Text:
    torch.manual_seed(0)
    return Text().double()


def loader(order: list[int], size: int, *, left: bool, extra: int = 0, key: str = "attention_mask") -> list[dict]:
    """Batches padded to their longest text and ``extra`` positions more, on either side."""
    found = []
    for start in range(0, len(order), size):
        part = order[start : start + size]
        width = max(len(TEXTS[k]) for k in part) + extra
        ids, mask = torch.zeros(2, len(part), width, dtype=torch.int64)
        for row, k in enumerate(part):
            place = slice(width - len(TEXTS[k]), width) if left else slice(len(TEXTS[k]))
            ids[row, place], mask[row, place] = TEXTS[k], 1
        found.append({"input_ids": ids, key: mask, "labels": LABELS[part]})
    return found


def by_hand(model: Text, pooling: str) -> dict[str, np.ndarray]:
    """Features of one text after the other, which need no padding."""
    rows: dict[str, list[torch.Tensor]] = {"mix": [], "conv": [], "parts": []}
    pick = {"mean": lambda x: x.mean(dim=0), "first": lambda x: x[0], "last": lambda x: x[-1]}[pooling]
    with torch.no_grad():
        for text in TEXTS:
            mixed = model.mix(model.embed(text))
            rows["mix"].append(pick(mixed))
            rows["conv"].append(model.conv(mixed.tanh().T).mean(dim=1))  # channels first: an image for any pooling
            rows["parts"].append(model.parts(mixed.tanh().reshape(-1, 10, 2)).mean(dim=(0, 1)))
    return {name: torch.stack(found).numpy() for name, found in rows.items()}


@settings(max_examples=25, deadline=None)
@given(
    pooling=st.sampled_from(["mean", "first", "last"]),
    left=st.booleans(),
    size=st.sampled_from([1, 2, 5, COUNT]),
    order=st.permutations(range(COUNT)),
    extra=st.integers(0, 2),
    form=st.sampled_from(["default", "key", "booleans", "numbers", "array", "segments"]),
)
def test_numbers_do_not_depend_on_batches(model, pooling, left, size, order, extra, form):
    masks = {
        "default": None,
        "key": "attention_mask",
        "booleans": lambda batch: batch["attention_mask"].bool(),
        "numbers": lambda batch: batch["attention_mask"].float().tolist(),
        "array": lambda batch: batch["attention_mask"].numpy()[::-1][::-1],
        "segments": lambda batch: batch["attention_mask"] * 2,
    }
    data = loader(order, size, left=left, extra=extra)
    seen = probe(model, data, pooling=pooling, mask=masks[form])
    for name, rows in by_hand(model, pooling).items():
        right = class_moments(rows, LABELS.numpy(), classes=CLASSES)
        # sums of at most 40 numbers of order one, in another order
        np.testing.assert_allclose(seen.layers[name].means, right.means, rtol=0, atol=1e-13)
        np.testing.assert_allclose(seen.layers[name].scatter, right.scatter, rtol=0, atol=1e-12)
    assert seen.classifier.name == "head"


def test_without_a_mask_every_position_counts(model):
    data = loader(list(range(COUNT)), COUNT, left=False)
    with torch.no_grad():
        rows = model.mix(model.embed(data[0]["input_ids"])).mean(dim=1)
    right = class_moments(rows.numpy(), LABELS.numpy(), classes=CLASSES)
    seen = probe(model, data, mask=lambda _: None)
    np.testing.assert_array_equal(seen.layers["mix"].means, right.means)


def test_a_mask_of_another_shape_is_not_meant_unless_named():
    square = {"attention_mask": torch.ones(4, 1, 3, 3), "x": torch.randn(4, 2)}
    assert real_positions(None, square, samples=4) is None
    assert real_positions(None, ({"attention_mask": torch.tensor([[1, 0]])}, None), samples=1).tolist() == [
        [True, False]
    ]
    with pytest.raises(
        InvalidInputError, match=r"mask: expected \(N, T\) booleans .* 4 samples, but found shape \(4, 1, 3, 3\)"
    ):
        real_positions("attention_mask", square, samples=4)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("none", r"mask: expected a key of the batch, but found 'none' and the keys \['attention_mask'\]; name one"),
        (lambda _: object(), r"mask: expected \(N, T\) booleans .* but found object; pass mask=lambda batch"),
        (lambda _: [[True], [True, False]], r"mask: expected \(N, T\) booleans .* but found list"),
        (lambda _: torch.ones(3, 2), r"mask: expected \(N, T\) booleans with a row for each of 2 samples, .* \(3, 2\)"),
        (lambda _: torch.tensor([[0.0, -1e9], [0.0, 0.0]]), r'numbers below 0; .* batch\["attention_mask"\] == 0'),
        (
            lambda _: torch.tensor([[1, 0], [0, 0]]),
            r"a real position in every sample, but found none in 1 of 2, .* row 1",
        ),
        (lambda _: torch.ones(2, 0), r"a real position in every sample, but found none in 2 of 2"),
    ],
)
def test_wrong_masks_are_refused(mask, message: str):
    with pytest.raises(InvalidInputError, match=message):
        real_positions(mask, {"attention_mask": torch.ones(2, 2)}, samples=2)


class Halved(nn.Module):
    """A layer with fewer positions than the mask, and one that sees the mask's."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.halved, self.fc = nn.Linear(4, 4), nn.Conv1d(4, 4, 2, stride=2), nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.halved(self.mix(x).transpose(1, 2)).mean(dim=2))


def test_layers_with_other_positions_are_left_out_unless_named():
    labels = torch.arange(6) % CLASSES
    data, real = [(torch.randn(6, 8, 4), labels)], torch.arange(8) < 3 + torch.arange(6)[:, None]
    seen = probe(Halved(), data, mask=lambda _: real)
    assert list(seen.layers) == ["mix", "fc"]
    message = r"halved: expected one axis of the 8 positions of the mask, but found shape \(6, 4, 4\); pass outputs="
    assert "left out 'halved' (expected one axis" in seen.notes[0]
    with pytest.raises(InvalidInputError, match=message):
        probe(Halved(), data, mask=lambda _: real, layers=["halved"])
    own = {"halved": lambda output: output[..., 0]}
    assert list(probe(Halved(), data, mask=lambda _: real, layers=["halved"], outputs=own).layers) == ["halved"]
    assert list(probe(Halved(), data, mask=lambda _: None, layers=["halved"]).layers) == ["halved"]
    with pytest.raises(InvalidInputError, match='mix: expected another pooling than "flatten" for padded sequences'):
        probe(Halved(), data, mask=lambda _: real, layers=["mix"], pooling="flatten")
    assert list(probe(Halved(), data, pooling="flatten").layers) == ["mix", "halved", "fc"]
