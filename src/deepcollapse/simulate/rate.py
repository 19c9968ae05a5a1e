"""A share of runs with its uncertainty, and with that of runs whose end is not known."""

from dataclasses import dataclass
from typing import Literal

from scipy.stats import binomtest

from deepcollapse.errors import InvalidInputError

__all__ = ["Interval", "Rate", "rate"]

Interval = Literal["wilson", "exact"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened in independent runs, some of which may have no known end.

    Attributes:
        count: runs in which it did.
        undecided: runs of which it is not known whether it did.
        runs: all of them.
        value: count / runs; None where a run is undecided, and where there are no runs.
        interval: from the lower confidence limit of the probability if it happened in no undecided run to the upper
            one if it happened in all of them; None where there are no runs.
    """

    count: int
    undecided: int
    runs: int
    value: float | None
    interval: tuple[float, float] | None

    def as_json(self) -> dict[str, object]:
        """The five numbers in plain types; the value is called ``rate``.

        >>> rate(1, 2).as_json()["rate"]
        0.5
        """
        return {
            "count": self.count,
            "undecided": self.undecided,
            "runs": self.runs,
            "rate": self.value,
            "interval": self.interval and list(self.interval),
        }


def rate(count: int, runs: int, *, undecided: int = 0, method: str = "wilson", confidence: float = 0.95) -> Rate:
    """The share count / runs with a confidence interval that holds whatever the undecided runs do.

    "wilson" inverts the score test, (p - q)^2 = z^2 q (1 - q) / runs, and is close to its nominal coverage on average;
    "exact" (Clopper and Pearson) inverts the binomial test and never covers less. Runs that are left out because they
    did not end in time would bias the share towards whatever ends early: they count as undecided.

    Raises:
        InvalidInputError: unknown method, or counts that are negative or more than the runs, or a confidence outside
            (0, 1).

    Source: Wilson 1927; Clopper & Pearson 1934. Bounds for runs without a known end: Manski 1989.

    >>> [round(end, 4) for end in rate(8, 10).interval]
    [0.4902, 0.9433]
    >>> rate(3, 32, undecided=27).value is None
    True
    """
    if method not in ("wilson", "exact"):
        raise InvalidInputError(f'interval: expected "wilson" or "exact", but found {method!r}; choose one of the two')
    if min(count, undecided) < 0 or count + undecided > runs:
        raise InvalidInputError(
            f"count: expected counts of at most {runs} runs, but found {count} and {undecided} undecided; count each "
            "run once"
        )
    if not 0 < confidence < 1:
        raise InvalidInputError(
            f"confidence: expected a number between 0 and 1, but found {confidence!r}; 0.95 is usual"
        )
    if runs == 0:
        return Rate(0, 0, 0, None, None)
    low, high = (
        binomtest(successes, runs).proportion_ci(confidence, method=method) for successes in (count, count + undecided)
    )
    return Rate(count, undecided, runs, None if undecided else count / runs, (float(low.low), float(high.high)))
