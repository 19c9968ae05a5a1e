"""Whatever a loader gives as labels is class numbers, or a refusal whose remedy works."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import measure
from deepcollapse.observe.labels import class_labels

NUMBERS = [0, 1, 2, 1]
WHOLE = torch.tensor(NUMBERS)


class Own:
    """An object of one's own whose parts raise."""

    def __array__(self, *_args: object, **_options: object) -> np.ndarray:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "labels",
    [
        *(NUMBERS, tuple(NUMBERS), range(3), [np.int8(k) for k in NUMBERS], [torch.tensor(k) for k in NUMBERS]),
        *(np.array(NUMBERS, dtype=kind) for kind in ("i1", "<u2", ">i4", ">u8")),
        *(np.array(NUMBERS)[::-1], np.array([NUMBERS, NUMBERS]).T[:, 0], np.ma.array(NUMBERS), WHOLE.to(torch.uint16)),
        *(WHOLE.to_sparse(), WHOLE.flip(0), np.frombuffer(bytes(NUMBERS), dtype="u1")),
    ],
    ids=repr,
)
def test_whole_numbers_of_every_kind_are_taken(labels):
    dense = labels.to_dense() if isinstance(labels, torch.Tensor) else labels
    assert class_labels(labels).tolist() == [int(k) for k in dense]
    assert class_labels(labels).dtype == torch.int64


NAMES = r"number the names: with names = .* pass labels=lambda batch"
OWN = r"pass labels=lambda batch: ... that gives one class number per sample"
REFUSED = {
    "names": (("cat", "dog", "cat", "owl"), NAMES),
    "an array of names": (np.array(["cat", "dog"]), NAMES),
    "names as objects": (np.array(["cat", "dog"], dtype=object), NAMES),
    "bytes": ([b"cat", b"dog"], NAMES),
    "a mapping": ({"fine": WHOLE, "coarse": WHOLE}, r"pass labels=lambda batch: ...\['fine'\]"),
    "several": ((WHOLE, WHOLE), r"found 2 tensors; pass labels=lambda batch: batch\[1\]\[0\]"),
    "nothing": (None, f"found NoneType of no number type.*{OWN}"),
    "an object": (object(), OWN),
    "an object that raises": (Own(), f"found Own that NumPy cannot read .*{OWN}"),
    "a set": ({1, 2}, OWN),
    "a ragged list": ([[1], [2, 3]], OWN),
    "a number without bounds": ([2**70, 1], OWN),
    "some missing": ([0, None], OWN),
    "dates": (np.array(["2020-01-01"], dtype="M8[D]"), OWN),
    "records": (np.zeros(2, dtype=[("a", int)]), OWN),
    "masked": (np.ma.array([1, 2], mask=[0, 1]), "leave out these samples"),
    "without numbers": (torch.empty(2, dtype=torch.int64, device="meta"), OWN),
    "beyond int64": (np.array([2**63], dtype="u8"), "beyond int64; number the classes from 0"),
    "fractions": ([0.5, 1.0], r"whole numbers, but found torch.float64; .* torch.as_tensor\(batch\[1\]\).long\(\)"),
    "complex": ([1j], "whole numbers, but found torch.complex128"),
    "booleans": ([True, False], "whole numbers, but found torch.bool"),
    "one number": (3, "put a torch.utils.data.DataLoader around"),
    "a column": (WHOLE[:, None], r"squeeze\(1\)$"),
    "one-hot rows": (torch.eye(3), r"argmax\(dim=1\) of these one-hot rows"),
    "one-hot numbers": (torch.eye(3, dtype=torch.int64), r"argmax\(dim=1\) of these one-hot rows"),
    "several classes": (torch.tensor([[0.0, 1.0], [1.0, 1.0]]), "a sample of several classes has no class mean"),
    "tokens": (torch.arange(6).reshape(2, 3), 'for class numbers of tokens pass pooling="tokens"'),
    "boxes": (torch.zeros(2, 3, 4), OWN),
    "none at all": ([], OWN),
}


@pytest.mark.parametrize(("labels", "remedy"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_a_remedy(labels, remedy: str):
    with pytest.raises(InvalidInputError, match=f"^labels: expected .*, but found .*; .*{remedy}|{remedy}"):
        class_labels(labels)


@pytest.mark.parametrize("kind", [*REFUSED])
def test_labels_that_a_function_gives_are_taken_whatever_the_loader_had(kind: str):
    given, data = REFUSED[kind][0], torch.randn(4, 5)
    found = measure(nn.Linear(5, 3), [(data, given)], labels=lambda _: NUMBERS)
    assert found.samples == 4


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2) | st.tuples(inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(anything)
def test_no_object_raises_anything_else(labels):
    try:
        found = class_labels(labels)
    except InvalidInputError:
        return
    assert found.ndim == 1
    assert found.tolist() == [int(k) for k in labels]


class Tagger(nn.Module):
    """Logits (N, T, K) of tokens."""

    def __init__(self, choose=lambda z: z) -> None:
        super().__init__()
        self.embed, self.mix, self.conv, self.fc = (
            nn.Embedding(9, 4),
            nn.Linear(4, 5),
            nn.Conv1d(5, 5, 1),
            nn.Linear(5, 3),
        )
        self.pooled, self.choose = nn.Linear(4, 2), choose

    def features(self, ids: torch.Tensor) -> torch.Tensor:
        return self.conv(self.mix(self.embed(ids)).tanh().transpose(1, 2)).transpose(1, 2).tanh()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.pooled(self.embed(ids).mean(dim=1))
        return self.choose(self.fc(self.features(ids)))


def test_tokens_are_samples_where_pooling_says_so():
    torch.manual_seed(0)
    model = Tagger().double()
    ids, labels = torch.randint(0, 9, (20, 7)), torch.randint(0, 3, (20, 7))
    labels[:, -2:] = -100
    labels[3] = -100
    data = [{"ids": ids[k], "labels": labels[k]} for k in (slice(0, 3), slice(3, 4), slice(4, 20))]
    found = measure(model, data, pooling="tokens")
    kept = labels != -100
    with torch.no_grad():
        rows = model.features(ids)[kept]
        right = measure(model.fc, [(rows, labels[kept])])
    assert found.samples == right.samples == int(kept.sum())
    assert found.accuracy == right.accuracy
    assert [layer.name for layer in found.layers] == ["mix", "conv", "fc (input)", "fc"]
    assert found["fc (input)"].scalars() == pytest.approx(right[" (input)"].scalars(), rel=1e-9, abs=1e-12)
    assert "left out 'pooled' (expected features (N, T, d) of tokens" in found.notes[0]


@pytest.mark.parametrize(
    ("choose", "labels", "options", "message"),
    [
        (lambda z: z, WHOLE, {}, r"labels: expected a number per token, shape \(N, T\)"),
        (
            lambda z: z[:, 0],
            WHOLE[None].repeat(2, 1),
            {},
            r"logits: expected \(2, 4, 'K'\) of tokens .* shape \(2, 3\)",
        ),
        (lambda z: "text", WHOLE[None].repeat(2, 1), {}, "of tokens from the model, but found str"),
        (
            lambda z: z,
            WHOLE[None].repeat(2, 1),
            {"mask": lambda _: torch.tensor([[True, False]] * 2)},
            r"mask: expected the shape \(2, 4\) of the labels of tokens, but found \(2, 2\)",
        ),
        (
            lambda z: z,
            WHOLE[None].repeat(2, 1),
            {"layers": ["pooled"]},
            r"pooled: expected features \(N, T, d\) of tokens, but found shape \(2, 2\); leave it out",
        ),
    ],
)
def test_what_is_not_of_tokens_is_refused(choose, labels, options: dict, message: str):
    with pytest.raises(InvalidInputError, match=message):
        measure(Tagger(choose), [(torch.zeros(2, 4, dtype=torch.int64), labels)], pooling="tokens", **options)
