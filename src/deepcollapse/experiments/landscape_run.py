"""A run of a sweep that searches for the minimisers of one model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from deepcollapse.experiments.run_problem import ProblemRun
from deepcollapse.experiments.run_result import (
    NUMBERS,
    PROBLEM_COLUMNS,
    RunResult,
    json_numbers,
    problem_columns,
    row_table,
)
from deepcollapse.landscape import Landscape, search

__all__ = ["LandscapeRun"]

_COLUMNS = {
    **PROBLEM_COLUMNS,
    "restarts": pa.int64(),
    "seed": pa.int64(),
    "dnc_loss": pa.float64(),
    "structure": pa.string(),
    "loss": pa.float64(),
    "rank": pa.int64(),
    "minimum": pa.bool_(),
    "hits": pa.int64(),
    "gradient_norm": pa.float64(),
    "singular_values": NUMBERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LandscapeRun(ProblemRun):
    """A restarted search over logits of every rank.

    Attributes:
        problem: the model, linear.
        restarts: random starts per rank.
        seed: of the random starts.
        kind: its name in a plan.
    """

    restarts: Annotated[int, Field(ge=1)] = 20
    seed: Annotated[int, Field(ge=0)] = 0
    kind: Literal["landscape"] = "landscape"

    def result(self, folder: Path, progress: Callable[[int, int], None] | None = None) -> RunResult:
        """One row per local minimum met, the lowest first; the document is that of ``deepcollapse landscape``."""
        begin = time.perf_counter()
        generator = np.random.default_rng(self.seed)
        found = search(self.problem, restarts=self.restarts, generator=generator, progress=progress)
        settings = problem_columns(self.kind, self.problem) | {"restarts": self.restarts, "seed": self.seed}
        return RunResult(
            rows=row_table(settings | {"dnc_loss": found.collapse_loss}, _rows(found), _COLUMNS),
            arrays={"logits": np.array([one.point.logits for one in found.found])},
            document=json_numbers(found.as_json()),
            notes={"seconds": time.perf_counter() - begin},
        )


def _rows(found: Landscape) -> list[dict[str, object]]:
    return [
        {
            "structure": one.point.structure,
            "loss": one.point.loss,
            "rank": one.point.rank,
            "minimum": one.point.minimum,
            "hits": one.hits,
            "gradient_norm": one.point.gradient_norm,
            "singular_values": one.point.singular_values.tolist(),
        }
        for one in found.found
    ]
