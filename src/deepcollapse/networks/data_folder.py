"""Data sets in the folders that torchvision makes: found by their files, read without torchvision."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from deepcollapse.errors import InvalidInputError, MissingDataError
from deepcollapse.networks.cifar import read_cifar_binary, read_cifar_pickle
from deepcollapse.networks.idx import read_idx_images
from deepcollapse.networks.images import LabelledImages, Split
from deepcollapse.networks.npz import archived_bytes, pixels
from deepcollapse.networks.subsets import class_rows, class_sizes, renumbered

__all__ = ["DATA_SETS", "data_folder"]

Bytes = tuple[UInt8[np.ndarray, "N C H W"], Int[np.ndarray, " N"]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """One way in which a data set is kept: a folder, the files of its two parts, and what reads them."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Sequence[Path], str], Bytes]  # of the files of one part, "train" or "test"


_KERAS = {"MNIST": "mnist.npz", "FashionMNIST": "fashion-mnist.npz"}
"""Archives with the arrays x_train, y_train, x_test and y_test."""


def _idx(folder: str) -> tuple[_Layout, ...]:
    def files(part: str) -> tuple[str, ...]:
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    return (
        _Layout(f"{folder}/raw", files("train"), files("t10k"), lambda paths, _: read_idx_images(*paths)),
        _Layout(folder, (_KERAS[folder],), (_KERAS[folder],), lambda paths, part: archived_bytes(paths[0], part)),
    )


def _cifar(classes: int, train: tuple[str, ...], test: tuple[str, ...]) -> tuple[_Layout, ...]:
    def joined(parts: Iterable[Bytes]) -> Bytes:
        images, labels = zip(*parts, strict=True)
        return np.concatenate(images), np.concatenate(labels)

    return (
        _Layout(
            f"cifar-{classes}-{'batches-py' if classes == 10 else 'python'}",
            train,
            test,
            lambda paths, _: joined(read_cifar_pickle(path, classes=classes) for path in paths),
        ),
        _Layout(
            f"cifar-{classes}-{'batches-bin' if classes == 10 else 'binary'}",
            tuple(f"{name}.bin" for name in train),
            tuple(f"{name}.bin" for name in test),
            lambda paths, _: joined(read_cifar_binary(path, classes=classes) for path in paths),
        ),
    )


_LAYOUTS = {
    "mnist": _idx("MNIST"),
    "fashion-mnist": _idx("FashionMNIST"),
    "cifar10": _cifar(10, tuple(f"data_batch_{part}" for part in range(1, 6)), ("test_batch",)),
    "cifar100": _cifar(100, ("train",), ("test",)),
}

DATA_SETS: Mapping[str, int] = {"mnist": 10, "fashion-mnist": 10, "cifar10": 10, "cifar100": 100}
"""Number of classes of the data sets that ``data_folder`` knows."""


def data_folder(
    root: str | os.PathLike[str],
    name: str,
    *,
    per_class: int | Sequence[int] | None = None,
    classes: Sequence[int] | None = None,
    generator: np.random.Generator | None = None,
) -> Split:
    """Training and test images of a data set below a folder, as float32 in [0, 1], N x channels x height x width.

    Looked for, in this order, and each also in ``root`` itself:

    - mnist, fashion-mnist: ``MNIST/raw`` or ``FashionMNIST/raw`` with IDX files, gzipped (".gz") or not, also as
      Kaggle spells them, ``train-images.idx3-ubyte``, and in folders of their own; then Keras' ``mnist.npz``;
    - cifar10: ``cifar-10-batches-py`` (pickles, which are read and not run), then ``cifar-10-batches-bin``;
    - cifar100, with its fine labels: ``cifar-100-python``, then ``cifar-100-binary``.

    The training images are in class order, within a class in that of the files; they are equally many per class only if
    ``per_class`` says so. The test images are all those of the chosen classes, in the order of the files, and never
    among the training images. Only the images asked for are widened from bytes to float32.

    Args:
        root: the ``root`` given to torchvision, or the folder of the files.
        name: "mnist", "fashion-mnist", "cifar10" or "cifar100".
        per_class: training images of each class, one number or one per class (``long_tail`` makes such); None for all.
        classes: labels to keep, renumbered from 0 in this order; None for all.
        generator: draws the training images; None takes the first of each class.

    Raises:
        MissingDataError: files are missing (named with their folder).
        InvalidInputError: an unknown name, files that are damaged or of another set, more images asked for than there
            are.
    """
    if name not in _LAYOUTS:
        raise InvalidInputError(
            f"name: expected one of {', '.join(DATA_SETS)}, but found {name!r}; choose one of these"
        )
    layout, folder = _found(Path(root), name)
    (images, labels), held_out = (_part(layout, folder, name, part=part) for part in ("train", "test"))
    kept = range(DATA_SETS[name]) if classes is None else classes
    rows, labels = renumbered(labels, kept)
    chosen = class_rows(labels, class_sizes(per_class, labels), generator=generator)
    test_rows, test_labels = renumbered(held_out[1], kept)
    return Split(
        LabelledImages(pixels(images[rows[chosen]]), labels[chosen], len(kept)),
        LabelledImages(pixels(held_out[0][test_rows]), test_labels, len(kept)),
    )


def _found(root: Path, name: str) -> tuple[_Layout, Path]:
    for layout in _LAYOUTS[name]:
        for folder in (root / layout.folder, root):
            if not _missing(layout, folder):
                return layout, folder
    raise MissingDataError(f"{root}: {_expected(root, name)}")


def _expected(root: Path, name: str) -> str:
    """What is missing, for the layout that is nearest to complete."""
    places = [(layout, folder) for layout in _LAYOUTS[name] for folder in (root / layout.folder, root)]
    layout, folder = min(places, key=lambda place: len(_missing(*place)) / len((*place[0].train, *place[0].test)))
    missing, files = _missing(layout, folder), (*layout.train, *layout.test)
    found = "none of them" if len(missing) == len(files) else f"all but {', '.join(missing)}"
    gz = " (or with .gz)" * ("-ubyte" in files[0])
    csv = "".join(f', or read {table} with source "file"' for table in sorted(root.glob("*train.csv")))
    others = " or ".join(str(root / other.folder) for other in _LAYOUTS[name] if other is not layout)
    return (
        f"expected {name} as {', '.join(files)}{gz} in {folder}, but found {found}; put them there"
        f"{f' (the other format goes to {others})' * bool(others)}, or name another folder{csv}"
    )


def _missing(layout: _Layout, folder: Path) -> list[str]:
    return [file for file in (*layout.train, *layout.test) if _path(folder, file) is None]


def _path(folder: Path, file: str) -> Path | None:
    """The file, or one of the other forms and spellings of IDX files."""
    spellings = (file, file.replace("-idx", ".idx")) if "-ubyte" in file else (file,)
    candidates = [f"{name}{ending}" for name in spellings for ending in (("", ".gz") if "-ubyte" in file else ("",))]
    candidates += [f"{name}/{inside}" for name in spellings for inside in spellings]
    return next((folder / name for name in candidates if (folder / name).is_file()), None)


def _part(layout: _Layout, folder: Path, name: str, *, part: str) -> Bytes:
    files = layout.train if part == "train" else layout.test
    images, labels = layout.read([path for file in files if (path := _path(folder, file))], part)
    held = np.bincount(labels, minlength=DATA_SETS[name]).astype(bool)
    if not held.all() or len(held) > DATA_SETS[name]:
        raise InvalidInputError(
            f"{folder}: expected images of classes 0 to {DATA_SETS[name] - 1} in {', '.join(files)}, but found "
            f"{np.flatnonzero(held).tolist()}; download {name} "
            'again, or save what is there as an .npz archive for source "file"'
        )
    return images, labels
