"""The deep unconstrained feature model as a problem: sizes, decays, loss and activation."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError

__all__ = ["Activation", "Loss", "Problem"]

Loss = Literal["ce", "mse"]
Activation = Literal["linear", "relu"]

_DECAYS = (1e-290, 1e100)
_CLASSES_MAX, _LAYERS_MAX = 10**7, 10**6  # one entry per class, or per factor, is written down
_SIZES_MAX = 2**53  # whole numbers up to here are exact in float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A deep unconstrained feature model (UFM) with K classes, L weight matrices and M = L + 1 factors.

    Minimise F = g(Z) + (1/2) (decay_0 ||H_1||^2 + sum_l decay_l ||W_l||^2) over the features H_1 (d x N) and the
    weights W_1..W_{L-1} (d x d), W_L (K x d), where Z = W_L ... W_1 H_1 are the logits (K x N). Samples are in class
    order; g is the mean over samples of the softmax cross-entropy ("ce") or of half the squared error ("mse").
    With activation "relu", H_2 = W_1 H_1, H_{l+1} = W_l relu(H_l) and Z = W_L relu(H_L).

    Args:
        classes: K >= 2.
        layers: L >= 1, the number of weight matrices.
        samples: samples per class, one number n >= 1 or one per class.
        width: d >= 1; None stands for d = K, the least width the paper's theorems speak of.
        decay: weight decay > 0, one number or one per factor in the order H_1, W_1, ..., W_L.
        loss: "ce" or "mse".
        activation: "linear" or "relu".

    Raises:
        InvalidInputError: a size or decay out of range, or an unknown loss or activation.

    Source: Garrod & Keating, arXiv 2410.23169, Section 3; "mse" as in Sukenik et al., arXiv 2405.14468.

    >>> Problem(classes=10, samples=5, layers=2, width=70).factors
    3
    """

    classes: int
    layers: int
    samples: int | tuple[int, ...] = 1
    width: int | None = None
    decay: float | tuple[float, ...] = 2.0**-10
    loss: Loss = "ce"
    activation: Activation = "linear"

    def __post_init__(self) -> None:
        _expect_integer("classes", self.classes, range=(2, _CLASSES_MAX), remedy="a classifier needs two classes")
        counted = "count the weight matrices, the features not included"
        _expect_integer("layers", self.layers, range=(1, _LAYERS_MAX), remedy=counted)
        if self.width is not None:
            _expect_integer("width", self.width, range=(1, _SIZES_MAX), remedy="leave it out for width = classes")
        _expect_samples(self.samples, self.classes)
        _expect_decay(self.decay, self.factors)
        if self.loss not in ("ce", "mse"):
            raise InvalidInputError(f'loss: expected "ce" or "mse", but found {self.loss!r}; choose one of the two')
        if self.activation not in ("linear", "relu"):
            raise InvalidInputError(
                f'activation: expected "linear" or "relu", but found {self.activation!r}; choose one of the two'
            )

    @property
    def factors(self) -> int:
        """M = L + 1, the number of factors of the logits (the features count as one)."""
        return self.layers + 1

    @property
    def d(self) -> int:
        """The width, K where none was given."""
        return self.classes if self.width is None else self.width

    @property
    def balanced(self) -> bool:
        """Whether all classes have the same number of samples."""
        return len(set(self.class_samples)) == 1

    @property
    def class_samples(self) -> tuple[int, ...]:
        """Samples of each class (K numbers)."""
        return (self.samples,) * self.classes if isinstance(self.samples, int) else self.samples

    @property
    def total_samples(self) -> int:
        """N, the number of samples."""
        return sum(self.class_samples)

    @property
    def factor_decays(self) -> tuple[float, ...]:
        """Decay of each factor, H_1 first (M numbers)."""
        return self.decay if isinstance(self.decay, tuple) else (self.decay,) * self.factors

    @property
    def mean_decay(self) -> float:
        """Geometric mean of the factors' decays: the one number on which F(Z) depends."""
        if isinstance(self.decay, tuple):
            return math.exp(math.fsum(map(math.log, self.decay)) / self.factors)
        return self.decay

    @property
    def class_weights(self) -> Float[np.ndarray, " K"]:
        """Share n_k / N of each class in the mean loss."""
        return np.array(self.class_samples, dtype=float) / self.total_samples

    @property
    def labels(self) -> Int[np.ndarray, " N"]:
        """Class of each sample, in class order."""
        return np.repeat(np.arange(self.classes), self.class_samples)

    @property
    def penalty_power(self) -> float:
        """2 / M, the exponent of the Schatten quasi-norm of the logits."""
        return 2.0 / self.factors

    def replace(self, **changes: object) -> "Problem":
        """The same problem with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _expect_integer(name: str, value: object, *, range: tuple[int, int], remedy: str) -> None:
    least, most = range
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidInputError(f"{name}: expected a whole number >= {least}, but found {value!r}; {remedy}")
    if value > most:
        raise InvalidInputError(f"{name}: expected at most {most}, but found {value}; lower it")


def _expect_samples(samples: object, classes: int) -> None:
    if not isinstance(samples, tuple):
        _expect_integer("samples", samples, range=(1, _SIZES_MAX), remedy="give one number per class, or one for all")
        return
    if len(samples) != classes:
        raise InvalidInputError(
            f"samples: expected {classes} numbers, one per class, but found {len(samples)}; or give one for all"
        )
    for value in samples:
        _expect_integer("samples", value, range=(1, _SIZES_MAX), remedy="drop classes without samples")


def _expect_decay(decay: object, factors: int) -> None:
    values = decay if isinstance(decay, tuple) else (decay,) * factors
    if len(values) != factors:
        raise InvalidInputError(
            f"decay: expected {factors} numbers, one per factor (H_1, W_1, ..., W_{factors - 1}), but found "
            f"{len(values)}; or give one for all"
        )
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise InvalidInputError(
                f"decay: expected a finite number > 0, but found {value!r}; without decay the logits grow forever"
            )
        if not _DECAYS[0] <= value <= _DECAYS[1]:
            raise InvalidInputError(
                f"decay: expected a number from {_DECAYS[0]:g} to {_DECAYS[1]:g}, but found {value!r}; "
                "float64 cannot hold what follows from it"
            )
