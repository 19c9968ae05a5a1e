"""How fast the engines should be.

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
    """

    problem: Problem
    dtype: str
    contender: str
    quantity: str
    least: float


_THREADS = 2
_QUIET = 0.3  # load average of the last minute
_SHARE = 0.65
_RATIOS = (
    {"float32": 70.0, "float64": 45.0},
    {"float32": 160.0, "float64": 90.0},
    {"float32": 700.0, "float64": 450.0},
)
_WIDE_RATIO = 1.5
_TORCH_RATIOS = (35.0, 50.0, 100.0)


def _targets() -> Iterator[Target]:
    *narrow, wide = CASES
    for case, ratios, torch_ratio in zip(narrow, _RATIOS, _TORCH_RATIOS, strict=True):
        yield Target(case.problem, "float32", "torch", "ratio_to_loop", torch_ratio)
        for dtype in DTYPES:
            yield Target(case.problem, dtype, "cpu", "ratio_to_loop", ratios[dtype])
            yield Target(case.problem, dtype, "cpu", "share_of_peak", _SHARE)
    for dtype in DTYPES:
        yield Target(wide.problem, dtype, "auto", "ratio_to_loop", _WIDE_RATIO)


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

    ``shortfall`` is 1 - found / target where that is positive, else 0.
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
        }
