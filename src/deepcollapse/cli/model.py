"""Command line options that describe the model, shared by the commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from cyclopts import Parameter, Token

from deepcollapse.errors import InvalidInputError
from deepcollapse.powers import number
from deepcollapse.ufm.problem import Problem

__all__ = ["Model", "Numbers", "Real", "RealOrAuto", "Whole", "whole"]

T = TypeVar("T")


def _numbers(_: object, tokens: Sequence[Token]) -> tuple[float, ...]:
    return tuple(number(part, name=_name(tokens)) for part in tokens[0].value.split(","))


def _real(_: object, tokens: Sequence[Token]) -> float:
    return float(number(tokens[0].value, name=_name(tokens)))


def _real_or_auto(kind: object, tokens: Sequence[Token]) -> float | str:
    return "auto" if tokens[0].value == "auto" else _real(kind, tokens)


def _whole(_: object, tokens: Sequence[Token]) -> int:
    return whole(number(tokens[0].value, name=_name(tokens)), name=_name(tokens))


def _name(tokens: Sequence[Token]) -> str:
    return (tokens[0].keyword or "number").lstrip("-")


def whole(value: float, *, name: str) -> int:
    """The value as an integer; raises InvalidInputError for a fraction and for what 64 bits do not hold."""
    if value != int(value):
        raise InvalidInputError(f"{name}: expected a whole number, but found {value:g}; correct it")
    if abs(value) >= 2**63:
        raise InvalidInputError(f"{name}: expected a number below 2^63, but found {value:.6g}; lower it")
    return int(value)


Numbers = Annotated[tuple[float, ...], Parameter(converter=_numbers, n_tokens=1, accepts_keys=False, negative="")]
"""One number or several joined by commas; powers such as 2^-10 are understood."""

Real = Annotated[float, Parameter(converter=_real, n_tokens=1, accepts_keys=False)]
"""A finite number; powers such as 2^-10 are understood."""

RealOrAuto = Annotated[float | Literal["auto"], Parameter(converter=_real_or_auto, n_tokens=1, accepts_keys=False)]
"""A finite number, or auto."""

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
            samples=_one_or_many(tuple(whole(value, name="samples") for value in self.samples)),
            width=self.width,
            decay=_one_or_many(self.decay),
            loss=self.loss,
            activation=self.activation,
        )


def _one_or_many(values: tuple[T, ...]) -> T | tuple[T, ...]:
    return values[0] if len(values) == 1 else values
