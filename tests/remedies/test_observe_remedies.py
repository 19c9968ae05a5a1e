"""Advice about measuring networks, recording and files of features works when it is followed."""

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.experiments import measure_files
from deepcollapse.observe import MeasurementSeries, measure
from remedies.refusal import Refusal, cases

LABELS = torch.arange(12) % 3
IMAGES = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)) + LABELS[:, None]
LOADER = [(IMAGES, LABELS)]
NET = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
ONE_LOGIT = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))
BARE = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 3))
TRACKED = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
TOKENS = {"x": IMAGES[:, None].repeat(1, 6, 1), "labels": LABELS, "real": torch.arange(6)[None] < 3 + LABELS[:, None]}


class Words(nn.Module):
    """Tokens to logits by the mean."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.embed(x).mean(dim=1))


class Pair(nn.Module):
    """Gives a dictionary, as many models do."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, images):
        return {"classes": self.head(self.inner(images))}


class Shape(nn.Module):
    """Gives the width of its input, which is no tensor."""

    def forward(self, images):
        return {"width": images.shape[1], "features": [images]}


class WithShape(nn.Module):
    def __init__(self):
        super().__init__()
        self.shape, self.head = Shape(), nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.shape(images)["features"][0])


WORDS, PAIR, SHAPED = Words(), Pair(), WithShape()


def without_logits(model, batch):
    model(batch[0])


def of(loader=LOADER, model=NET, **options):
    return lambda: measure(model, loader, **options)


def masked(mask, **options):
    return of([TOKENS], WORDS, mask=mask, forward=lambda model, batch: model(batch["x"]), **options)


def with_labels(given, **options):
    return of([(IMAGES, given)], **options)


INPUTS = [
    Refusal("loader: expected batches", "pass labels=", of([IMAGES]), of([IMAGES], labels=lambda batch: LABELS)),
    Refusal("loader: expected at least one batch", "only once", of(iter(())), of()),
    Refusal(
        "batch: expected entries named",
        "forward=lambda",
        of([{"pixels": IMAGES, "labels": LABELS}]),
        of([{"pixels": IMAGES, "labels": LABELS}], forward=lambda model, batch: model(batch["pixels"])),
    ),
    Refusal(
        "labels: expected one number",
        "squeeze(1)",
        with_labels(LABELS[:, None]),
        with_labels(LABELS[:, None].squeeze(1)),
    ),
    Refusal(
        "labels: expected one number",
        "argmax(dim=1)",
        with_labels(torch.eye(3)[LABELS]),
        with_labels(torch.eye(3)[LABELS], labels=lambda batch: batch[1].argmax(dim=1)),
    ),
    Refusal(
        "labels: expected whole numbers",
        "torch.as_tensor(batch[1]).long()",
        with_labels(LABELS * 1.0),
        with_labels(LABELS * 1.0, labels=lambda batch: torch.as_tensor(batch[1]).long()),
    ),
    Refusal("labels: expected one per sample", "same order", with_labels(LABELS[:6]), with_labels(LABELS)),
    Refusal("labels: expected 0 to 2", "relabel", with_labels(LABELS + 1), with_labels(LABELS)),
    Refusal(
        "logits: expected a tensor",
        "that returns it",
        of(model=PAIR),
        of(model=PAIR, forward=lambda model, batch: model(batch[0])["classes"]),
    ),
    Refusal(
        "logits: expected a tensor",
        "None after the call",
        of(model=PAIR),
        of(model=PAIR, classes=3, forward=lambda model, batch: model(batch[0]) and None),
    ),
    Refusal(
        "classes: expected a number",
        "classes=K",
        of(forward=without_logits),
        of(classes=3, forward=without_logits),
    ),
    Refusal(
        "classes: expected at least 2",
        "returns both logits",
        with_labels(LABELS % 2, model=ONE_LOGIT),
        with_labels(
            LABELS % 2,
            model=ONE_LOGIT,
            classes=2,
            forward=lambda model, batch: torch.cat([-model(batch[0]), model(batch[0])], dim=1) / 2,
        ),
    ),
    Refusal(
        "classes: expected samples of all of them",
        "drop_empty=True",
        with_labels(LABELS.clamp(max=1)),
        with_labels(LABELS.clamp(max=1), drop_empty=True),
    ),
    Refusal("rtol: expected", "1e-3", of(rtol=1.0), of(rtol=1e-3)),
    Refusal("training: expected False", "running statistics", of(model=TRACKED, training=True), of(model=TRACKED)),
    Refusal("model: expected BatchNorm with", "track_running_stats=True", of(model=BARE), of(model=TRACKED)),
    Refusal("distributed: expected torch", "leave out", of(distributed=True), of()),
]
LAYERS = [
    Refusal("layers: expected a sequence", "write ['0']", of(layers="0"), of(layers=["0"])),
    Refusal("layers: expected names", "the nearest are", of(layers=["00"]), of(layers=["0"])),
    Refusal("pooling: expected one of", "choose one", of(pooling="max"), of(pooling="mean")),
    Refusal(
        "shape: expected a tensor in the output",
        "key, index or lambda",
        of(model=SHAPED, layers=["shape"], outputs={"shape": "width"}),
        of(model=SHAPED, layers=["shape"], outputs={"shape": lambda output: output["features"][0]}),
    ),
    Refusal(
        "shape: expected 'other' in the output",
        "correct outputs['shape']",
        of(model=SHAPED, layers=["shape"], outputs={"shape": "other"}),
        of(model=SHAPED, layers=["shape"], outputs={"shape": lambda output: output["features"][0]}),
    ),
    Refusal(
        "0: expected one row for each of 12",
        "puts samples first",
        of(layers=["0"], outputs={"0": lambda output: output.T}),
        of(layers=["0"], outputs={"0": lambda output: output.T.T}),
    ),
    Refusal(
        "0: expected floating-point features",
        "outputs={'0': lambda output: ...}",
        of(layers=["0"], outputs={"0": lambda output: output > 0}),
        of(layers=["0"], outputs={"0": lambda output: (output > 0).float()}),
    ),
    Refusal(
        "0: expected finite entries",
        "its inputs are finite",
        of([(IMAGES.log(), LABELS)]),
        of([(IMAGES.exp().log(), LABELS)]),
    ),
    Refusal("classifier: expected nn.Linear", "name the layer", of(classifier="1"), of(classifier="2")),
    Refusal("classifier: expected nn.Linear", "leave it out", of(classifier="1"), of()),
    Refusal("classifier: expected '0' to run once", "name the layer", of(classifier="0"), of(classifier="2")),
]
MASKS = [
    Refusal("mask: expected a key of the batch", "one of these", masked("attention"), masked("real")),
    Refusal("mask: expected a key of the batch", "mask=lambda", masked("no"), masked(lambda batch: batch["real"])),
    Refusal("mask: expected (N, T) booleans", "mask=lambda", masked("labels"), masked(lambda batch: batch["real"])),
    Refusal(
        "mask: expected true or 1",
        "== 0",
        masked(lambda batch: (~batch["real"]) * -1e9),
        masked(lambda batch: (~batch["real"]) * -1e9 == 0),
    ),
    Refusal(
        "mask: expected a real position",
        "is true where",
        masked(lambda batch: batch["real"] & (LABELS > 0)[:, None]),
        masked(lambda batch: batch["real"]),
    ),
    Refusal(
        'embed: expected another pooling than "flatten"',
        'pooling="mean", "first" or "last"',
        masked("real", pooling="flatten", layers=["embed"]),
        masked("real", pooling="first", layers=["embed"]),
    ),
]


def series(steps):
    def made():
        look = MeasurementSeries()
        for step in steps:
            look = look.followed_by(step, FOUND)
        return look

    return made


FOUND = measure(NET, LOADER)
SERIES = [
    Refusal("step: expected one that is not measured", "once per step", series([1, 1]), series([1, 2])),
    Refusal("step: expected more than 2", "another recorder", series([2, 1]), series([1])),
    Refusal(
        "measurements: expected one for each",
        "same order",
        lambda: MeasurementSeries((1, 2), series([1])().measurements),
        lambda: MeasurementSeries((1, 2), series([1, 2])().measurements),
    ),
]
ARRAYS = {"features": IMAGES.numpy(), "labels": LABELS.numpy()}
WEIGHT = np.random.default_rng(0).normal(size=(3, 4))
ONE_HOT = np.eye(3)[LABELS]
FILES = [
    ("features: expected one of float16", "convert it to float32", {"features": ARRAYS["labels"]}, {}),
    ("labels: expected one class", "argmax(axis=1)", {"labels": ONE_HOT}, {"labels": ONE_HOT.argmax(axis=1)}),
    ("labels: expected numbers from 0", "relabel", {"labels": ARRAYS["labels"] - 1}, {}),
    ("classes: expected samples of at least 2", "add others", {"labels": 0 * ARRAYS["labels"]}, {}),
    ("classes: expected at most", "relabel", {"labels": ARRAYS["labels"] * 10**7}, {}),
    ("classes: expected samples of all 5", "add", {"labels": ARRAYS["labels"] * 2}, {}),
    ("bias: expected a weight", "save the weight", {"bias": np.zeros(3)}, {"bias": np.zeros(3), "weight": WEIGHT}),
    ("weight: expected width 4", "transpose", {"weight": np.eye(3)}, {"weight": WEIGHT}),
    ("file: expected features and labels", "rename", {"X": None, "features": None}, {}),
]


@cases(INPUTS)
def test_inputs(refusal: Refusal):
    refusal.check()


@cases(LAYERS)
def test_layers(refusal: Refusal):
    refusal.check()


@cases(MASKS)
def test_masks(refusal: Refusal):
    refusal.check()


@cases(SERIES)
def test_series(refusal: Refusal):
    refusal.check()


@pytest.mark.parametrize(("says", "advice", "wrong", "right"), FILES, ids=[row[0] for row in FILES])
def test_files_of_features(says, advice, wrong, right, tmp_path):
    def of(name, changes):
        arrays = {key: array for key, array in (ARRAYS | changes).items() if array is not None}
        np.savez(tmp_path / name, **arrays)
        return lambda: measure_files([tmp_path / name])

    Refusal(says, advice, of("wrong.npz", wrong), of("right.npz", right)).check()
