"""Values of a setting, as a finding writes them."""

import math
from collections.abc import Iterable

__all__ = ["short", "span"]

_LISTED = 4  # of more values the first and the last are written


def short(value: object) -> str:
    """A setting's value; powers of two up to a quarter as such.

    >>> short(2.0**-10), short(0.005), short(5000), short("mlp")
    ('2^-10', '0.005', '5,000', 'mlp')
    """
    if isinstance(value, float):
        share, exponent = math.frexp(value)
        return f"2^{exponent - 1}" if share == 0.5 and exponent < 0 else f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def span(values: Iterable[float]) -> str:
    """The different values in increasing order, or from where to where they go.

    >>> span([3, 2, 2]), span(range(10))
    ('2 or 3', '0 to 9')
    """
    found = [short(value) for value in sorted(set(values))]
    if len(found) > _LISTED:
        return f"{found[0]} to {found[-1]}"
    return " or ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))
