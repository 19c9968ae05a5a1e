"""A run of a sweep that computes what the theory says of one model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from deepcollapse.experiments.run_problem import ProblemRun
from deepcollapse.experiments.run_result import (
    NUMBERS,
    PROBLEM_COLUMNS,
    RunResult,
    json_numbers,
    problem_columns,
    row_table,
)
from deepcollapse.theory import Certificate, Overview, overview

__all__ = ["TheoryRun"]

_COLUMNS = {
    **PROBLEM_COLUMNS,
    "structure": pa.string(),
    "loss": pa.float64(),
    "rank": pa.int64(),
    "critical": pa.bool_(),
    "best": pa.bool_(),
    "singular_values": NUMBERS,
    "dnc_exists": pa.bool_(),
    "dnc_loss": pa.float64(),
    "dnc_scale": pa.float64(),
    "dnc_stable": pa.bool_(),
    "dnc_decay_max": pa.float64(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TheoryRun(ProblemRun):
    """Known points, thresholds and every theorem for one model, each theorem checked a second way.

    Attributes:
        problem: the model.
        rigorous: add the certificate in interval arithmetic.
        kind: its name in a plan.
    """

    rigorous: bool = False
    kind: Literal["theory"] = "theory"

    def result(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> RunResult:
        """One row per known point; the document is that of ``deepcollapse theory`` and the second checks."""
        begin = time.perf_counter()
        found = overview(self.problem, rigorous=self.rigorous)
        document = found.as_json() | {"rechecks": {name: _recheck(one) for name, one in found.theorems.items()}}
        return RunResult(
            rows=row_table(self._settings(found), _rows(found), _COLUMNS),
            document=json_numbers(document),
            notes={"seconds": time.perf_counter() - begin},
        )

    def _settings(self, found: Overview) -> dict[str, object]:
        dnc = found.dnc.as_json()
        names = ("exists", "loss", "scale", "stable")
        return {
            **problem_columns(self.kind, self.problem),
            **{f"dnc_{name}": dnc[name] for name in names},
            "dnc_decay_max": dnc["decay_max"],
        }


def _rows(found: Overview) -> list[dict[str, object]]:
    return [
        {
            "structure": point.name,
            "loss": point.loss,
            "rank": point.rank,
            "critical": point.critical,
            "best": point.name == found.best,
            "singular_values": point.singular_values,
        }
        for point in found.points
    ]


def _recheck(certificate: Certificate) -> dict[str, Any]:
    check = certificate.check()
    return {"agrees": check.agrees, "method": check.method, "numbers": check.numbers}
