"""Numbers as people write them, such as 2^-10: the one reader of options, plans and specifications."""

import math
import re
from collections.abc import Container
from typing import Any

from deepcollapse.errors import InvalidInputError

__all__ = ["number", "quoted_powers", "with_powers"]

_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(rf"\s*({_DECIMAL})(?:\s*\^\s*({_DECIMAL}))?\s*")
_POWER = re.compile(rf"(?<![\w.\"'])({_DECIMAL}\s*\^\s*{_DECIMAL})(?![\w.\"'])")
_LONGEST = 400  # characters; the longest number of float64 that is written out has 309 digits


def number(text: str, *, name: str) -> int | float:
    """The number that a text says, such as 0.001 or 2^-10; a whole one stays whole, a power of whole ones too.

    Args:
        text: a decimal number in ASCII digits, or one raised to another by ``^``.
        name: of what is read, for the error.

    Raises:
        InvalidInputError: another text, or a value that is not real or beyond float64.

    >>> number("2^-10", name="decay"), number("2^3", name="width"), number("1e-3", name="lr")
    (0.0009765625, 8, 0.001)
    """
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise InvalidInputError(
            f"{name}: expected a number such as 0.001 or 2^-10, but found {_short(text)}; correct it"
        )
    base, exponent = found[1], found[2] or "1"
    try:
        value = math.pow(float(base), float(exponent))
    except (ArithmeticError, ValueError):
        value = math.inf
    if not math.isfinite(value):
        raise InvalidInputError(
            f"{name}: expected a finite real number, but found {_short(text)}; write one below 1.8e308"
        )
    whole = base.lstrip("+-").isdigit() and exponent.lstrip("+").isdigit()
    return int(base) ** int(exponent) if whole else value


def with_powers(value: Any, *, name: str = "value", texts: Container[str] = ()) -> Any:
    """The value with every string that is a power replaced by its number, in lists and tables too.

    Args:
        value: as TOML or JSON have it.
        name: of the value, for the error; entries of tables are named by dotted keys.
        texts: keys whose values stay as they are.

    Raises:
        InvalidInputError: a power without a finite real value.

    >>> with_powers({"decay": "2^-10", "width": ["2^3", 10], "loss": "ce"})
    {'decay': 0.0009765625, 'width': [8, 10], 'loss': 'ce'}
    """
    if isinstance(value, dict):
        inside = "" if name == "value" else f"{name}."
        return {
            key: entry if key in texts else with_powers(entry, name=f"{inside}{key}", texts=texts)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_powers(entry, name=name, texts=texts) for entry in value]
    found = _NUMBER.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    return number(value, name=name) if found and found[2] else value


def quoted_powers(text: str) -> str:
    """The text with powers between quotes, as TOML wants them.

    >>> quoted_powers('[2^-3, 1, "2^4"]')
    '["2^-3", 1, "2^4"]'
    """
    return _POWER.sub(r'"\1"', text)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:40]!r} and {len(text) - 40} more characters"
