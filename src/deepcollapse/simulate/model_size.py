"""The largest models that are trained: sizes are refused before anything is allocated."""

from deepcollapse.errors import TooLargeError
from deepcollapse.ufm import Problem

__all__ = ["LARGEST_MODEL", "MOST_LAYERS", "expect_trainable"]

LARGEST_MODEL = 2**28
"""Numbers in the factors and class and sample logits of one model at most: 2 GiB in float64."""

MOST_LAYERS = 10**4
"""Layers at most: each costs several calls a step, however narrow."""


def expect_trainable(problem: Problem) -> None:
    """Refuse a model that is too large to train.

    Raises:
        TooLargeError: more than ``MOST_LAYERS`` layers or ``LARGEST_MODEL`` numbers; the message names the size that
            contributes most.

    >>> expect_trainable(Problem(classes=10, layers=3, width=10**6))
    Traceback (most recent call last):
    deepcollapse.errors.TooLargeError: width: expected at most 268435456 numbers in factors and logits of a model to \
train, but found 2e+12 with width = 1000000; lower it
    """
    if problem.layers > MOST_LAYERS:
        raise TooLargeError(
            f"layers: expected at most {MOST_LAYERS} to train, but found {problem.layers}; lower it, or ask theory"
        )
    sizes = {
        "classes": problem.classes,
        "layers": problem.layers,
        "samples": -(-problem.total_samples // problem.classes),
        "width": problem.d,
    }
    if (found := _numbers(**sizes)) > LARGEST_MODEL:
        tied = ["classes", "width"] if problem.width is None else ["classes"]  # the default width follows the classes
        lowered = {name: dict.fromkeys(tied if name == "classes" else [name], 1) for name in sizes}
        name = min(sizes, key=lambda name: _numbers(**sizes | lowered[name]))
        raise TooLargeError(
            f"{name}: expected at most {LARGEST_MODEL} numbers in factors and logits of a model to train, but found "
            f"{found:.2g} with {name} = {sizes[name]}; lower it"
        )


def _numbers(*, classes: int, layers: int, samples: int, width: int) -> int:
    factors = width * classes * samples + (layers - 1) * width**2 + classes * width
    return factors + classes * classes * samples + classes**2
