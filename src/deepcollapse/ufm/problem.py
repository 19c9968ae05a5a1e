"""The deep unconstrained feature model as a problem: sizes, decays, loss and activation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deepcollapse.errors import InvalidInputError

__all__ = ["Activation", "Loss", "Problem"]

Loss = Literal["ce", "mse"]
Activation = Literal["linear", "relu"]

_DECAYS = (1e-290, 1e100)
_LARGEST = {
    "classes": 10**7,  # one entry per class, or per factor, is written down
    "layers": 10**6,
    "samples": 2**53,  # whole numbers up to here are exact in float64
    "width": 2**53,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A deep unconstrained feature model (UFM) with K classes, L weight matrices and M = L + 1 factors.

    Minimise F = g(Z) + (1/2) (decay_0 ||H_1||^2 + sum_l decay_l ||W_l||^2) over the features H_1 (d x N) and the
    weights W_1..W_{L-1} (d x d), W_L (K x d), where Z = W_L ... W_1 H_1 are the logits (K x N). Samples are in class
    order; g is the mean over samples of the softmax cross-entropy ("ce") or of half the squared error ("mse").
    With activation "relu", H_2 = W_1 H_1, H_{l+1} = W_l relu(H_l) and Z = W_L relu(H_L).

    Args:
        classes: K, from 2 to ten million.
        layers: L, the number of weight matrices, from 1 to a million.
        samples: samples per class, one number n from 1 to 2^53, or a sequence of one per class.
        width: d, from 1 to 2^53; None stands for d = K, the least width the paper's theorems speak of.
        decay: weight decay > 0, one number or a sequence of one per factor in the order H_1, W_1, ..., W_L.
        loss: "ce" or "mse".
        activation: "linear" or "relu".

    NumPy's numbers and arrays are accepted and stored as plain numbers and tuples, so equal problems are equal and
    hashable whatever they were written with.

    Raises:
        InvalidInputError: a size or decay out of range or not a number, or an unknown loss or activation.

    Source: Garrod & Keating, arXiv 2410.23169, Section 3; "mse" as in Sukenik et al., arXiv 2405.14468.

    >>> Problem(classes=10, samples=5, layers=2, width=70).factors
    3
    """

    classes: int
    layers: int
    samples: int | Sequence[int] = 1
    width: int | None = None
    decay: float | Sequence[float] = 2.0**-10
    loss: Loss = "ce"
    activation: Activation = "linear"

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "classes", _whole("classes", self.classes, least=2, remedy="a classifier needs two classes"))
        remedy = "count the weight matrices, the features not included"
        keep(self, "layers", _whole("layers", self.layers, least=1, remedy=remedy))
        if self.width is not None:
            keep(self, "width", _whole("width", self.width, least=1, remedy="leave it out for width = classes"))
        keep(self, "samples", _samples(self.samples, self.classes))
        keep(self, "decay", _decays(self.decay, self.factors))
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
        return (self.samples,) * self.classes if isinstance(self.samples, int) else tuple(self.samples)

    @property
    def total_samples(self) -> int:
        """N, the number of samples."""
        return sum(self.class_samples)

    @property
    def factor_decays(self) -> tuple[float, ...]:
        """Decay of each factor, H_1 first (M numbers)."""
        return tuple(self.decay) if isinstance(self.decay, Sequence) else (self.decay,) * self.factors

    @property
    def mean_decay(self) -> float:
        """Geometric mean of the factors' decays: the one number on which F(Z) depends."""
        if isinstance(self.decay, Sequence):
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


def _whole(name: str, value: object, *, least: int, remedy: str) -> int:
    """The value as a plain integer within bounds; NumPy integers count, booleans and floats do not."""
    plain, largest = _plain(value), _LARGEST[name]
    if isinstance(plain, bool) or not isinstance(plain, int) or plain < least:
        raise InvalidInputError(f"{name}: expected a whole number >= {least}, but found {plain!r}; {remedy}")
    if plain > largest:
        raise InvalidInputError(f"{name}: expected at most {largest}, but found {plain}; lower it")
    return plain


def _samples(samples: object, classes: int) -> int | tuple[int, ...]:
    values = _plain(samples)
    if not isinstance(values, Sequence) or isinstance(values, str):
        return _whole("samples", samples, least=1, remedy="give one number per class, or one for all")
    if len(values) != classes:
        raise InvalidInputError(
            f"samples: expected {classes} numbers, one per class, but found {len(values)}; or give one for all"
        )
    return tuple(_whole("samples", value, least=1, remedy="drop classes without samples") for value in values)


def _decays(decay: object, factors: int) -> float | tuple[float, ...]:
    values = _plain(decay)
    if not isinstance(values, Sequence) or isinstance(values, str):
        return _decay(decay)
    if len(values) != factors:
        raise InvalidInputError(
            f"decay: expected {factors} numbers, one per factor (H_1, W_1, ..., W_{factors - 1}), but found "
            f"{len(values)}; or give one for all"
        )
    return tuple(map(_decay, values))


def _decay(decay: object) -> float:
    value = _plain(decay)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInputError(
            f"decay: expected a finite number > 0, but found {value!r}; without decay the logits grow forever"
        )
    if not _DECAYS[0] <= value <= _DECAYS[1]:
        raise InvalidInputError(
            f"decay: expected a number from {_DECAYS[0]:g} to {_DECAYS[1]:g}, but found {value!r}; "
            "float64 cannot hold what follows from it"
        )
    return float(value)


def _plain(value: object) -> object:
    """NumPy numbers, arrays and tensors as the Python numbers and lists they hold; anything else as it is."""
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) else value
