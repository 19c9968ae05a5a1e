"""What a run of a sweep leaves behind, and the columns its rows begin with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from deepcollapse.ufm import Problem

__all__ = ["PROBLEM_COLUMNS", "RunResult", "json_numbers", "problem_columns", "row_table"]

Columns = Mapping[str, pa.DataType]

NUMBERS = pa.list_(pa.float64())

PROBLEM_COLUMNS: Columns = {
    "kind": pa.string(),
    "classes": pa.int64(),
    "layers": pa.int64(),
    "samples": pa.int64(),
    "width": pa.int64(),
    "decay": pa.float64(),
    "decays": NUMBERS,
    "loss_function": pa.string(),
    "activation": pa.string(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Of one run; equal specifications give equal rows, arrays and documents.

    Attributes:
        rows: for the table of all runs; settings are repeated in every row.
        arrays: what is too large for rows, by name.
        document: the whole result in JSON types, as the command of this kind prints it.
        notes: what differs from one time to the next: seconds, engine, speed.
    """

    rows: pa.Table
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    document: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)


def row_table(settings: Mapping[str, object], rows: Sequence[Mapping[str, object]], columns: Columns) -> pa.Table:
    """Rows with the settings in front of each.

    Args:
        settings: the same for all rows.
        rows: each with values for some of the columns; what is missing is null.
        columns: names and types, of settings and rows.
    """
    schema = pa.schema(list(columns.items()))
    return pa.Table.from_pylist([{**settings, **row} for row in rows], schema=schema)


def problem_columns(kind: str, problem: Problem) -> dict[str, object]:
    """The values of ``PROBLEM_COLUMNS``; ``samples`` is None if classes differ, ``decays`` if factors do not."""
    return {
        "kind": kind,
        "classes": problem.classes,
        "layers": problem.layers,
        "samples": problem.class_samples[0] if problem.balanced else None,
        "width": problem.d,
        "decay": problem.mean_decay,
        "decays": list(problem.factor_decays) if isinstance(problem.decay, tuple) else None,
        "loss_function": problem.loss,
        "activation": problem.activation,
    }


def json_numbers(value: object) -> Any:
    """The value in JSON types: arrays and tuples as lists, NaN and infinities as None, keys as strings."""
    if isinstance(value, Mapping):
        return {str(key): json_numbers(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_numbers(value.tolist())
    if isinstance(value, tuple | list):
        return [json_numbers(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
