"""How fast the engines should be, and what the profile says where they are not.

The targets are for two cores of a quiet machine, in the units of ``descent_rows``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.measurement import CASES, DTYPES, size
from deepcollapse.ufm import Problem

__all__ = ["TARGETS", "Target", "target_rows", "unmet"]


@dataclass(frozen=True, slots=True)
class Target:
    """The least a quantity of a row should be.

    Attributes:
        problem: of the row.
        dtype: of the row.
        contender: of the row.
        quantity: "ratio_to_loop" or "share_of_peak".
        least: its median should not be below.
        cause: what keeps the figure where it is, as measured.
    """

    problem: Problem
    dtype: str
    contender: str
    quantity: str
    least: float
    cause: str


_THREADS = 2
_QUIET = 0.3  # load average of the last minute
_SHARE = 0.65
_RATIOS = (
    {"float32": 70.0, "float64": 45.0},
    {"float32": 160.0, "float64": 90.0},
    {"float32": 700.0, "float64": 450.0},
)
_WIDE_RATIO = 1.5

# Cycles of one step of one group, kernel alone, one thread; medians over the steps; vector FMAs per cycle (of at most
# one) counted as in measurement.flops.
_MACHINE = "Zen 4, AVX-512, one thread: "
_CAUSES = (
    "sums over K = 10 terms (updates of W_1, H_1) take 38 % of the cycles at 0.72 to 0.74 vector FMAs per cycle, "
    "hardly less than where everything fits the first-level cache (0.75); the other products run at 0.95 to 0.97, "
    "softmax takes 3 to 5 %",
    "sums over K = 10 terms (updates of W_1, W_2, H_1) take 38 to 40 % of the cycles at 0.63 to 0.73 vector FMAs per "
    "cycle; the other products run at 0.71 to 0.96, softmax takes 2 to 3 %",
    "sums over K = 10 terms (updates of W_1, H_1) take 33 to 34 % of the cycles at 0.62 to 0.75 vector FMAs per cycle; "
    "the other products run at 0.70 to 0.91, softmax takes 8 % in float32 and 13 % in float64",
)
_TORCH_RATIOS = (35.0, 50.0, 100.0)
_TORCH_CAUSE = (
    "at d = 70 the batched products of torch run at 46 to 61 Gflop/s, about half of what one thread reaches with large "
    "matrices; softmax takes 9 %"
)
_WIDE_CAUSE = (
    "N = K, so the loop does the same operations; with torch's threads it reaches half of the gemm peak, with one "
    "thread 0.57 to 0.68 of what one reaches, the torch engine there 0.90 to 0.98 in float32, 0.76 to 0.80 in float64"
)


def _targets() -> Iterator[Target]:
    *narrow, wide = CASES
    for case, ratios, torch_ratio, cause in zip(narrow, _RATIOS, _TORCH_RATIOS, _CAUSES, strict=True):
        yield Target(case.problem, "float32", "torch", "ratio_to_loop", torch_ratio, _MACHINE + _TORCH_CAUSE)
        for dtype in DTYPES:
            yield Target(case.problem, dtype, "cpu", "ratio_to_loop", ratios[dtype], _MACHINE + cause)
            yield Target(case.problem, dtype, "cpu", "share_of_peak", _SHARE, _MACHINE + cause)
    for dtype in DTYPES:
        yield Target(wide.problem, dtype, "auto", "ratio_to_loop", _WIDE_RATIO, _MACHINE + _WIDE_CAUSE)


TARGETS = tuple(_targets())


def unmet(machine: Mapping) -> list[str]:
    """What of the conditions of the targets does not hold; where anything is listed, a shortfall means little."""
    found = []
    if machine["threads"] != _THREADS:
        found.append(f"{machine['threads']} threads instead of {_THREADS}")
    if (machine["load"] or 0.0) > _QUIET:
        found.append(f"the machine was busy: load {machine['load']:.1f} at the start")
    return found


def target_rows(rows: Iterable[Mapping]) -> Iterator[dict[str, object]]:
    """What is wanted and what was found, for the ``descent_rows`` that have a target.

    ``shortfall`` is 1 - found / target where that is positive, else 0; only then there is a ``cause``.
    ``share_needed`` is the share of the gemm peak at which the target would be met: near or above one, the loop of this
    machine is too fast for it.
    """
    found = {(row["layers"], row["width"], row["classes"], row["dtype"], row["contender"]): row for row in rows}
    for target in TARGETS:
        place = size(target.problem)
        row = found[place["layers"], place["width"], place["classes"], target.dtype, target.contender]
        shortfall = max(0.0, 1.0 - row[target.quantity]["median"] / target.least)
        yield {
            **place,
            "dtype": target.dtype,
            "contender": target.contender,
            "quantity": target.quantity,
            "target": target.least,
            "found": row[target.quantity]["median"],
            "shortfall": shortfall,
            "share_needed": row["share_of_peak"]["median"] * target.least / row[target.quantity]["median"],
            "cause": target.cause if shortfall else None,
        }
