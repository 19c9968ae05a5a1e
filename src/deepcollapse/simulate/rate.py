"""A share of runs with its uncertainty."""

from dataclasses import dataclass
from typing import Literal

from scipy.stats import binomtest

from deepcollapse.errors import InvalidInputError

__all__ = ["Interval", "Rate", "rate"]

Interval = Literal["wilson", "exact"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened in independent runs.

    Attributes:
        count: runs in which it did.
        total: runs that count.
        value: count / total; None where no run counts, because then nothing is known.
        interval: two-sided confidence interval of the probability, None likewise.
    """

    count: int
    total: int
    value: float | None
    interval: tuple[float, float] | None


def rate(count: int, total: int, *, method: str = "wilson", confidence: float = 0.95) -> Rate:
    """The share count / total with a confidence interval.

    "wilson" inverts the score test, (p - q)^2 = z^2 q (1 - q) / total, and is close to its nominal coverage on average;
    "exact" (Clopper and Pearson) inverts the binomial test and never covers less.

    Raises:
        InvalidInputError: unknown method, or a count that is not in 0..total, or a confidence outside (0, 1).

    Source: Wilson 1927; Clopper & Pearson 1934.

    >>> [round(end, 4) for end in rate(8, 10).interval]
    [0.4902, 0.9433]
    """
    if method not in ("wilson", "exact"):
        raise InvalidInputError(f'interval: expected "wilson" or "exact", but found {method!r}; choose one of the two')
    if not 0 <= count <= total:
        raise InvalidInputError(f"count: expected 0..{total}, but found {count}; count among the total only")
    if not 0 < confidence < 1:
        raise InvalidInputError(
            f"confidence: expected a number between 0 and 1, but found {confidence!r}; 0.95 is usual"
        )
    if total == 0:
        return Rate(count, total, None, None)
    ends = binomtest(count, total).proportion_ci(confidence, method=method)
    return Rate(count, total, count / total, (float(ends.low), float(ends.high)))
