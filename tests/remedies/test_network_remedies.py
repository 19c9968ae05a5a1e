"""Advice about backbones, heads, training and images works when it is followed."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from deepcollapse.errors import DeepcollapseError
from deepcollapse.networks import (
    Batches,
    Checkpoints,
    Cosine,
    Descent,
    LabelledImages,
    Steps,
    UfmDecay,
    WarmUp,
    class_split,
    conv_net,
    data_folder,
    deep_head,
    load_best,
    long_tail,
    measure_head,
    mlp,
    normalised,
    read_csv,
    read_npz,
    resnet20,
    train,
)
from deepcollapse.networks.cifar import read_cifar_binary
from deepcollapse.networks.idx import read_idx_images
from deepcollapse.networks.images import Split
from networks.small_networks import plain, random_images
from remedies.refusal import Refusal, cases

GENERATOR = torch.Generator().manual_seed(0)
DATA = random_images()
ROWS = np.random.default_rng(0).permutation(len(DATA.labels))
MIXED = DATA.take(ROWS)
HIDDEN = np.random.default_rng(0).normal(size=(6, 4))
LABELS = np.arange(6) % 3
WEIGHT = np.random.default_rng(1).normal(size=(3, 4))
NAN = np.where(np.eye(6, 4) == 1, np.nan, HIDDEN)
GAPS = LabelledImages(DATA.images, DATA.labels, 5)
FLAT = LabelledImages(np.zeros((6, 1, 2, 2)), LABELS, 3)


def made(kind, *given, **options):
    return lambda: kind(*given, **options)


def head(**changes):
    return made(deep_head, 3, **({"layers": 2, "width": 5, "generator": GENERATOR} | changes))


def judged(features=HIDDEN, labels=LABELS, weights=(WEIGHT,), decay=(0.1, 0.1), **options):
    return made(measure_head, features, labels, weights, decay=decay, **options)


def trained(data=DATA, network=plain, folder=None, **descent):
    def run():
        checkpoints = Checkpoints(folder=folder, updates=1) if folder else None
        settings = Descent(**({"steps_max": 3, "looks": 2} | descent))
        return train(network(), data, decay=UfmDecay(5e-3, 5e-4), descent=settings, checkpoints=checkpoints)

    return run


SETTINGS = [
    Refusal(
        "sizes: expected at least two",
        "add or raise",
        made(mlp, (4,), generator=GENERATOR),
        made(mlp, (4, 2), generator=GENERATOR),
    ),
    Refusal(
        "channels: expected at most 2",
        "leave some",
        made(conv_net, (1, 6, 6), generator=GENERATOR, channels=(2, 2, 2)),
        made(conv_net, (1, 6, 6), generator=GENERATOR, channels=(2, 2)),
    ),
    Refusal(
        "residual_scale: expected",
        "1 is the original",
        made(resnet20, 1, generator=GENERATOR, residual_scale=-1.0),
        made(resnet20, 1, generator=GENERATOR, residual_scale=1.0),
    ),
    Refusal("layers: expected at least", "raise it", head(layers=0), head(layers=1)),
    Refusal("scale: expected a finite number", "never learn", head(scale=0.0), head(scale=0.1)),
    Refusal("size: expected at least 1", "None takes all", made(Batches, size=0), made(Batches, size=None)),
    Refusal("seed: expected 0 to 2^63", "a smaller one", made(Batches, seed=2**63), made(Batches, seed=2**63 - 1)),
    Refusal("floor: expected a share", "0 ends at rest", made(Cosine, floor=2.0), made(Cosine, floor=0.0)),
    Refusal("at: expected increasing", "sort them", made(Steps, at=(5, 2)), made(Steps, at=(2, 5))),
    Refusal("factor: expected", "0.1 is usual", made(Steps, at=(2,), factor=0.0), made(Steps, at=(2,), factor=0.1)),
    Refusal("steps: expected at least 1", "leave the warm-up", made(WarmUp, steps=0), made(Descent)),
    Refusal(
        "seconds: expected",
        "60 is the default",
        made(Checkpoints, folder=Path("c"), seconds=-1.0),
        made(Checkpoints, folder=Path("c"), seconds=60),
    ),
    Refusal(
        "updates: expected at least 1",
        "None takes the clock",
        made(Checkpoints, folder=Path("c"), updates=0),
        made(Checkpoints, folder=Path("c"), updates=None),
    ),
    Refusal(
        "momentum: expected a number > 0",
        '"heavy ball"',
        made(Descent, rule="nesterov", momentum=0.0),
        made(Descent, rule="heavy ball", momentum=0.0),
    ),
    Refusal("looks: expected", "change it", made(Descent, looks=0), made(Descent, looks=2)),
    Refusal("decay of features: expected", "no bound", made(UfmDecay, 0.1, 0.0), made(UfmDecay, 0.1, 0.1)),
    Refusal(
        "ratio: expected",
        "raise it",
        made(long_tail, 9, classes=3, ratio=0.5),
        made(long_tail, 9, classes=3, ratio=1.0),
    ),
]
TRAINING = [
    Refusal(
        "labels: expected class order", "sort the images", trained(MIXED), trained(MIXED.take(np.argsort(MIXED.labels)))
    ),
    Refusal("labels: expected class order", "class_split", trained(MIXED), trained(class_split(MIXED, 3).train)),
    Refusal(
        "head: expected 3 logits",
        "rebuild it",
        trained(network=lambda: plain(classes=4)),
        trained(network=lambda: plain(classes=3)),
    ),
    Refusal(
        "training: expected a bounded objective",
        "lower the learning rate",
        trained(rate=1e9, steps_max=300),
        trained(rate=0.01),
    ),
    Refusal(
        "sizes: expected 3 numbers", "one for each", made(class_split, DATA, (1, 1)), made(class_split, DATA, (1, 1, 1))
    ),
    Refusal("sizes: expected 1 to 4", "change per_class", made(class_split, DATA, 5), made(class_split, DATA, 4)),
    Refusal(
        "classes: expected classes of the data",
        "leave them out",
        made(class_split, DATA, classes=(0, 1, 7)),
        made(class_split, DATA, classes=(0, 1)),
    ),
    Refusal(
        "classes: expected at least two",
        "add others",
        made(class_split, DATA, classes=(0,)),
        made(class_split, DATA, classes=(0, 1)),
    ),
    Refusal(
        "labels: expected images of every class",
        "classes = [0, 1, 2]",
        made(class_split, GAPS),
        made(class_split, GAPS, classes=[0, 1, 2]),
    ),
    Refusal(
        "images: expected channels that vary",
        "as they are",
        made(normalised, Split(FLAT, FLAT)),
        made(Split, FLAT, FLAT),
    ),
]
HEADS = [
    Refusal("features: expected a matrix", "flatten", judged(HIDDEN.reshape(6, 2, 2)), judged(HIDDEN)),
    Refusal("features: expected finite", "remove them", judged(NAN), judged(NAN[4:], LABELS[4:] - 1, (WEIGHT[:2],))),
    Refusal("weights: expected at least one", "pass W_1", judged(weights=()), judged()),
    Refusal(
        "weights[0]: expected 4 columns", "torch.nn.Linear", judged(weights=(WEIGHT.T,)), judged(weights=(WEIGHT,))
    ),
    Refusal("labels: expected 6 whole numbers", "class indices", judged(labels=np.eye(3)[LABELS]), judged()),
    Refusal("labels: expected 0 to 2", "relabel", judged(labels=LABELS + 1), judged(labels=LABELS)),
    Refusal(
        "labels: expected samples of all 3",
        "drop these rows",
        judged(labels=LABELS % 2),
        judged(labels=LABELS % 2, weights=(WEIGHT[:2],)),
    ),
    Refusal("decay: expected 2 numbers", "one of the two", judged(decay=(0.1,)), judged(decay=(0.1, 0.1))),
    Refusal("activation: expected", "no bound", judged(activation="tanh"), judged(activation="relu")),
]


@cases(SETTINGS)
def test_settings(refusal: Refusal):
    refusal.check()


@cases(TRAINING)
def test_training(refusal: Refusal):
    refusal.check()


@cases(HEADS)
def test_heads(refusal: Refusal):
    refusal.check()


def test_checkpoints(tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other"
    Refusal(
        "checkpoint: expected one with a look",
        "train first",
        lambda: load_best(folder, plain()),
        lambda: (trained(folder=folder)(), load_best(folder, plain())),
    ).check()
    changed = trained(folder=folder, rate=0.01)
    Refusal("checkpoint: expected a run with", "another folder", changed, trained(folder=other, rate=0.01)).check()
    Refusal("checkpoint: expected a run with", "old settings", changed, trained(folder=folder)).check()


IMAGES = np.zeros((4, 2, 2), np.uint8)
NUMBERS = np.array([0, 1, 0, 1])
TRAIN = {"x_train": IMAGES, "y_train": NUMBERS.astype("str"), "x_test": IMAGES}
ARCHIVES = [
    ("", "under these names", {"a": IMAGES, "b": NUMBERS}, {"X": IMAGES, "y": NUMBERS}),
    (
        "labels 0 to K - 1",
        "return_inverse=True",
        {"X": IMAGES, "y": NUMBERS - 1},
        {"X": IMAGES, "y": np.unique(NUMBERS - 1, return_inverse=True)[1]},
    ),
    (
        "images of whole numbers",
        '.astype("float32") / 255',
        {"X": IMAGES.astype(int), "y": NUMBERS},
        {"X": IMAGES.astype("float32") / 255, "y": NUMBERS},
    ),
    (
        "images of whole numbers",
        "images[:, None]",
        {"X": NUMBERS * 1.0, "y": NUMBERS},
        {"X": (NUMBERS * 1.0)[:, None], "y": NUMBERS},
    ),
    (
        "4 whole numbers or names",
        "argmax(axis=1)",
        {"X": IMAGES, "y": np.eye(2)[NUMBERS]},
        {"X": IMAGES, "y": np.eye(2)[NUMBERS].argmax(axis=1)},
    ),
    (
        "4 whole numbers or names",
        '.astype("int64")',
        {"X": IMAGES, "y": NUMBERS * 1.0},
        {"X": IMAGES, "y": (NUMBERS * 1.0).astype("int64")},
    ),
    (
        "4 whole numbers or names",
        "as many labels",
        {"X": IMAGES, "y": NUMBERS[:3]},
        {"X": IMAGES[:3], "y": NUMBERS[:3]},
    ),
    (
        '"y" to hold numbers',
        '.astype("str")',
        {"X": IMAGES, "y": NUMBERS.astype(object)},
        {"X": IMAGES, "y": NUMBERS.astype(object).astype("str")},
    ),
    (
        "images that are finite",
        "remove",
        {"X": IMAGES + np.nan, "y": NUMBERS},
        {"X": np.nan_to_num(IMAGES + np.nan), "y": NUMBERS},
    ),
    ("labels of one kind", '.astype("str")', {**TRAIN, "y_test": NUMBERS}, {**TRAIN, "y_test": NUMBERS.astype("str")}),
]


@pytest.mark.parametrize(("says", "advice", "wrong", "right"), ARCHIVES)
def test_archives(says, advice, wrong, right, tmp_path):
    np.savez(tmp_path / "wrong.npz", **wrong)
    np.savez(tmp_path / "right.npz", **right)
    with pytest.raises(DeepcollapseError) as caught:
        read_npz(tmp_path / "wrong.npz")
    found = str(caught.value).partition("wrong.npz: expected ")[2]
    assert found.startswith(says)
    assert advice in found.partition(";")[2]
    read_npz(tmp_path / "right.npz")


def idx(path, array, *, cut=0):
    content = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(content[: len(content) - cut])
    return path


def test_files(tmp_path):
    images, labels = idx(tmp_path / "images", IMAGES), idx(tmp_path / "labels", NUMBERS.astype(np.uint8))
    short, fewer = idx(tmp_path / "short", IMAGES, cut=3), idx(tmp_path / "fewer", NUMBERS[:3].astype(np.uint8))
    zipped = tmp_path / "cut.gz"
    zipped.write_bytes(gzip.compress(images.read_bytes())[:-9])
    (tmp_path / "cifar.bin").write_bytes(bytes(3074 * 2))
    pair = made(read_idx_images, images, labels)
    table = [
        (
            f"{tmp_path / 'none'}: expected a readable",
            "check the path",
            made(read_idx_images, tmp_path / "none", labels),
            pair,
        ),
        (f"{labels}: expected unsigned bytes", "swapped", made(read_idx_images, labels, images), pair),
        (f"{short}: expected 16 bytes", "again", made(read_idx_images, short, labels), pair),
        (f"{zipped}: expected a readable", "again", made(read_idx_images, zipped, labels), pair),
        ("fewer: expected 4 labels", "of one set", made(read_idx_images, images, fewer), pair),
        (
            f"{tmp_path / 'cifar.bin'}: expected records of 3073",
            "as CIFAR-100",
            made(read_cifar_binary, tmp_path / "cifar.bin", classes=10),
            made(read_cifar_binary, tmp_path / "cifar.bin", classes=100),
        ),
        (
            f"{labels}: expected a CSV",
            "numpy.savez",
            made(read_csv, labels),
            lambda: np.savez(tmp_path / "a.npz", X=IMAGES, y=NUMBERS) or read_npz(tmp_path / "a.npz"),
        ),
        (
            "name: expected one of mnist",
            "one of these",
            made(data_folder, tmp_path, "svhn"),
            made(data_folder, tmp_path, "mnist"),
            f"{tmp_path}: ",
        ),
    ]
    for row in table:
        Refusal(*row).check()
