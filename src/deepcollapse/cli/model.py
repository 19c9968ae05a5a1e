"""Command line options that describe the model, shared by the commands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from cyclopts import Parameter, Token

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm.problem import Problem

__all__ = ["Model", "Numbers", "Whole"]

T = TypeVar("T")


def _numbers(_: object, tokens: Sequence[Token]) -> tuple[float, ...]:
    return tuple(_number(part) for part in tokens[0].value.split(","))


def _number(text: str) -> float:
    """A decimal number or a power such as 2^-10."""
    base, _, exponent = text.partition("^")
    try:
        return float(base) ** float(exponent) if exponent else float(base)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise InvalidInputError(f"expected a number such as 0.001 or 2^-10, but found {text!r}; correct it") from None


def _whole(_: object, tokens: Sequence[Token]) -> int:
    return _as_whole(tokens[0].keyword or "number", _number(tokens[0].value))


def _as_whole(name: str, value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        raise InvalidInputError(f"{name.lstrip('-')}: expected a whole number, but found {value:g}; correct it")
    return int(value)


Numbers = Annotated[tuple[float, ...], Parameter(converter=_numbers, n_tokens=1, accepts_keys=False, negative="")]
"""One number or several joined by commas; powers such as 2^-10 are understood."""

Whole = Annotated[int, Parameter(converter=_whole, n_tokens=1, accepts_keys=False)]
"""A whole number; fractions are refused, not rounded."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The deep unconstrained feature model."""

    classes: Whole
    "K, the number of classes."
    layers: Whole
    "L, the number of weight matrices; the features make one factor more."
    samples: Numbers = (1.0,)
    "n, samples per class: one number, or one per class joined by commas."
    width: Whole | None = None
    "d, the width of the hidden layers; default K."
    decay: Numbers = (2.0**-10,)
    "Weight decay, 2^-10 for example: one number, or one per factor (H_1,W_1,...,W_L) joined by commas."
    loss: Literal["ce", "mse"] = "ce"
    "Softmax cross-entropy or squared error, averaged over samples."
    activation: Literal["linear", "relu"] = "linear"
    "Of the hidden layers."

    def problem(self) -> Problem:
        """The model as a problem; raises InvalidInputError for sizes or decays out of range."""
        return Problem(
            classes=self.classes,
            layers=self.layers,
            samples=_one_or_many(tuple(_as_whole("samples", value) for value in self.samples)),
            width=self.width,
            decay=_one_or_many(self.decay),
            loss=self.loss,
            activation=self.activation,
        )


def _one_or_many(values: tuple[T, ...]) -> T | tuple[T, ...]:
    return values[0] if len(values) == 1 else values
