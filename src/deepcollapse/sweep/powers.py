"""Powers such as "2^-10" in a plan's values, as on the command line."""

import re
from typing import Any

from deepcollapse.errors import InvalidInputError

__all__ = ["with_powers"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POWER = re.compile(rf"\s*({_NUMBER})\s*\^\s*({_NUMBER})\s*")


def with_powers(value: Any) -> Any:
    """The value with every string that is a power replaced by its number, in lists and tables too.

    A power of whole numbers that is whole stays whole, so that sizes may be written as powers.

    Raises:
        InvalidInputError: a power without a finite real value.

    >>> with_powers({"decay": "2^-10", "width": ["2^3", 10], "loss": "ce"})
    {'decay': 0.0009765625, 'width': [8, 10], 'loss': 'ce'}
    """
    if isinstance(value, dict):
        return {key: with_powers(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [with_powers(entry) for entry in value]
    found = _POWER.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else _power(found[1], found[2])


def _power(base: str, exponent: str) -> int | float:
    try:
        power = float(base) ** float(exponent)
        if isinstance(power, complex):
            raise ArithmeticError
    except ArithmeticError:
        raise InvalidInputError(
            f"expected a power with a finite real value, but found '{base}^{exponent}'; correct it"
        ) from None
    whole = base.lstrip("+-").isdigit() and exponent.lstrip("+").isdigit()
    return int(base) ** int(exponent) if whole else power
