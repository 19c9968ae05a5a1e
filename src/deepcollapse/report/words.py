"""Numbers as a reader wants them."""

import math
from collections.abc import Sequence

__all__ = ["cell", "counted", "number", "percent"]


def number(value: float | Sequence[float] | None, *, digits: int = 5) -> str:
    """A number with so many significant digits; whole numbers in full, with separators; two numbers as a range.

    None, for a value that does not exist, becomes a dash.

    >>> number(1134), number(0.0906621832), number([0.1, 0.25]), number(-2.0**-20), number(None)
    ('1,134', '0.090662', '0.1 to 0.25', '−9.5367e-07', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, Sequence):
        return " to ".join(number(part, digits=digits) for part in value)
    sign, size = "−" if value < 0 else "", abs(value)
    whole = isinstance(value, int) or 10**digits <= size < 1e15 or size == math.floor(size) < 1e15
    return sign + (f"{size:,.0f}" if whole else f"{size:.{digits}g}")


def percent(share: float) -> str:
    """A share in percent with three significant digits.

    >>> percent(0.1331), percent(0.0), percent(1.0)
    ('13.3 %', '0 %', '100 %')
    """
    return f"{number(100 * share, digits=3)} %"


def counted(count: int, noun: str, *, total: int | None = None) -> str:
    """A count with its noun, or the share of a total in words.

    >>> counted(1, "run"), counted(3, "run"), counted(3, "run", total=3), counted(0, "run", total=2)
    ('1 run', '3 runs', 'all 3 runs', 'none of the 2 runs')
    >>> counted(2, "run", total=3), counted(1, "run", total=1), counted(0, "run", total=1)
    ('2 of the 3 runs', 'the only run', 'no run')
    """
    if total is None:
        return f"{number(count)} {noun}{'' if count == 1 else 's'}"
    nouns = counted(total, noun)
    if total == 1:
        return f"the only {noun}" if count else f"no {noun}"
    if count in (0, total):
        return f"all {nouns}" if count else f"none of the {nouns}"
    return f"{number(count)} of the {nouns}"


def cell(value: object) -> str:
    """What a table shows: yes and no for truth values, text as it is, else a number, fractions with trailing zeros."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and 1e-4 <= abs(value) < 1e5:
        return f"{value:#.5g}".replace("-", "−")
    return value if isinstance(value, str) else number(value)  # type: ignore[arg-type]
