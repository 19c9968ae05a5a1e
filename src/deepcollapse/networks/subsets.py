"""Which images of a data set are used: some classes, equally or unequally many of each; and how they are scaled."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.images import LabelledImages, Split

__all__ = ["all_classes", "class_rows", "class_sizes", "class_split", "long_tail", "normalised", "renumbered"]

_NAMED = 100  # classes that an error lists


def class_rows(
    labels: Int[np.ndarray, " N"], sizes: Sequence[int], *, generator: np.random.Generator | None = None
) -> Int[np.ndarray, " n"]:
    """Rows of the first n_k images of each class, or of n_k drawn by a generator, in class order.

    Within a class the rows increase.

    Args:
        labels: whole numbers 0 .. K - 1.
        sizes: n_0, ..., n_{K-1}, each from 1 to the number of images of its class.
        generator: draws without replacement; None takes the first ones.

    Raises:
        InvalidInputError: a size out of range, or not one per class.

    >>> class_rows(np.array([1, 0, 1, 0, 1]), [1, 2])
    array([1, 0, 2])
    """
    counts = np.bincount(labels, minlength=len(sizes))
    if len(counts) != len(sizes):
        raise InvalidInputError(
            f"sizes: expected {len(counts)} numbers, one per class, but found {len(sizes)}; give one for each"
        )
    chosen = []
    for label, (size, count) in enumerate(zip(sizes, counts.tolist(), strict=True)):
        if not 1 <= size <= count:
            raise InvalidInputError(
                f"sizes: expected 1 to {count} for class {label}, which has as many images, but found {size}; change "
                "per_class"
            )
        rows = np.flatnonzero(labels == label)
        chosen.append(np.sort(generator.permutation(rows)[:size]) if generator else rows[:size])
    return np.concatenate(chosen)


def renumbered(
    labels: Int[np.ndarray, " N"], classes: Sequence[int]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Rows of the images of these classes, and their labels counted in this order from 0.

    Raises:
        InvalidInputError: fewer than two classes, one named twice, or one without images.

    >>> renumbered(np.array([0, 7, 3, 7]), [7, 3])
    (array([1, 2, 3]), array([0, 1, 0]))
    """
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise InvalidInputError(f"classes: expected at least two different ones, but found {list(classes)}; add others")
    missing = sorted(set(classes) - set(np.unique(labels).tolist()))
    if missing:
        raise InvalidInputError(f"classes: expected classes of the data set, but found {missing}; leave them out")
    rows = np.flatnonzero(np.isin(labels, classes))
    order = np.argsort(classes)
    return rows, order[np.searchsorted(np.asarray(classes)[order], labels[rows])]


def class_sizes(per_class: int | Sequence[int] | None, labels: Int[np.ndarray, " N"]) -> tuple[int, ...]:
    """One size per class: the same for all, as given, or for None as many as there are."""
    counts = np.bincount(labels).tolist()
    if per_class is None:
        return tuple(counts)
    return (per_class,) * len(counts) if isinstance(per_class, int) else tuple(per_class)


def class_split(
    source: LabelledImages,
    per_class: int | Sequence[int] | None = None,
    *,
    classes: Sequence[int] | None = None,
    generator: np.random.Generator | None = None,
) -> Split:
    """Training images by class, and all others of the same classes for testing.

    Args:
        source: all images.
        per_class: training images of each class, one number or one per class; None for all.
        classes: labels to keep, renumbered from 0 in this order; None for all.
        generator: draws the training images; None takes the first of each class.

    Raises:
        InvalidInputError: more images asked for than there are, fewer than one, classes that are none, or labels with
            gaps where no classes are named.

    >>> images = LabelledImages(np.arange(5.0)[:, None], np.array([1, 0, 1, 0, 1]), 2)
    >>> split = class_split(images, 2)
    >>> split.train.images[:, 0], split.test.labels
    (array([1., 3., 0., 2.]), array([1]))
    """
    kept = all_classes(source) if classes is None else classes
    rows, labels = renumbered(source.labels, kept)
    chosen = class_rows(labels, class_sizes(per_class, labels), generator=generator)
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    return Split(
        LabelledImages(source.images[rows[chosen]], labels[chosen], len(kept)),
        LabelledImages(source.images[rows[rest]], labels[rest], len(kept)),
    )


def all_classes(source: LabelledImages) -> range:
    """Labels 0 to K - 1, each of which has images.

    Raises:
        InvalidInputError: there are labels without images; it says how to leave them out.
    """
    found = np.unique(source.labels)
    if len(found) == source.classes:
        return range(source.classes)
    missing = next(label for label, there in enumerate([*found.tolist(), source.classes]) if label != there)
    if len(found) > _NAMED:
        remedy = "renumber the labels without gaps"
    else:
        remedy = f"keep those that have some, renumbered from 0, with classes = {found.tolist()}"
    raise InvalidInputError(
        f"labels: expected images of every class 0 to {source.classes - 1}, but found none of {missing}; {remedy}"
    )


def long_tail(largest: int, *, classes: int, ratio: float) -> tuple[int, ...]:
    """Class sizes that fall geometrically: n_k = largest * ratio^(-k / (K - 1)), rounded, at least 1.

    Args:
        largest: n_0.
        classes: K >= 2.
        ratio: n_0 / n_{K-1} >= 1.

    Raises:
        InvalidInputError: an argument out of range.

    Source: Cui et al. 2019, arXiv 1901.05555, Section 5.

    >>> long_tail(500, classes=5, ratio=100.0)
    (500, 158, 50, 16, 5)
    """
    for name, value, least in (("largest", largest, 1), ("classes", classes, 2), ("ratio", ratio, 1.0)):
        if not least <= value < float("inf"):
            raise InvalidInputError(f"{name}: expected a finite number >= {least}, but found {value}; raise it")
    return tuple(max(1, round(largest * ratio ** (-label / (classes - 1)))) for label in range(classes))


def normalised(split: Split) -> Split:
    """Both parts minus the mean of the training images, over their standard deviation, of each channel.

    Mean and standard deviation (divided by the number of values, not one less) are taken in float64 over images and
    pixels; the test images are scaled by those of the training images. Images without a channel axis (N x pixels) count
    as one channel.

    Raises:
        InvalidInputError: a channel of the training images is constant.
    """
    images = split.train.images
    axes = (0, *range(2, images.ndim)) if images.ndim > 2 else (0, 1)
    mean = images.mean(axis=axes, keepdims=True, dtype=np.float64)
    deviation = images.std(axis=axes, keepdims=True, dtype=np.float64)
    flat = np.flatnonzero(deviation.ravel() <= 1e-7 * np.abs(mean).ravel())  # float32 rounding
    if flat.size:
        raise InvalidInputError(
            f"images: expected channels that vary, but found channel {flat[0]} constant; leave the images as they are "
            "(normalised = false)"
        )
    return Split(_scaled(split.train, mean, deviation), _scaled(split.test, mean, deviation))


def _scaled(
    data: LabelledImages, mean: Float[np.ndarray, "..."], deviation: Float[np.ndarray, "..."]
) -> LabelledImages:
    shift, factor = mean.astype(data.images.dtype), (1.0 / deviation).astype(data.images.dtype)
    return LabelledImages((data.images - shift) * factor, data.labels, data.classes)
