"""What a run's own view shows beyond the lists: its rows, and for theory the theorems. In files of many runs each."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from deepcollapse.report.site.columns import encoded
from deepcollapse.report.site.contents import Contents, KindOfRun

__all__ = ["DETAILS_PER_FILE", "details"]

DETAILS_PER_FILE = 200
_ROWS = 64  # of a run; the rest is in its Parquet file
_ROW_COLUMNS = {
    "simulate": (
        "seed", "status", "steps", "gradient_norm", "structure", "rank", "loss", "loss_gap", "dnc_distance", "nearest",
        "nearest_distance", "within_class", "imbalance",
    ),
    "landscape": ("structure", "loss", "rank", "hits", "gradient_norm", "minimum", "singular_values"),
    "theory": ("structure", "loss", "rank", "critical", "best", "singular_values"),
    "train": (),
}  # fmt: skip


def details(found: Contents) -> Iterator[dict[str, Any]]:
    """For each ``DETAILS_PER_FILE`` runs, in the order of ``Contents.ids``: run -> what its view shows."""
    part: dict[str, Any] = {}
    for kind in found.kinds.values():
        for id in kind.ids:
            rows = kind.blocks.get(id, kind.rows.slice(0, 0))
            part[id] = {"rows": _rows(kind, rows), "count": rows.num_rows}
            if kind.kind == "theory":
                part[id]["theorems"] = _theorems(found.store.run(id).document)
            if len(part) == DETAILS_PER_FILE:
                yield part
                part = {}
    if part:
        yield part


def _rows(kind: KindOfRun, rows: pa.Table) -> dict[str, Any]:
    shown = rows.slice(0, _ROWS)
    return {
        name: encoded(_short(shown[name].to_pylist())) for name in _ROW_COLUMNS[kind.kind] if name in shown.column_names
    }


def _short(values: list[Any]) -> list[Any]:
    """Numbers with ten digits, lists of numbers as text with six."""
    return [_short_cell(value) for value in values]


def _short_cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(f"{entry:.6g}" for entry in value)
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _theorems(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    rechecks = document.get("rechecks") or {}
    return [
        {
            "theorem": name,
            **{key: entry.get(key) for key in ("applies", "holds", "statement")},
            "rechecked": (rechecks.get(name) or {}).get("agrees"),
        }
        for name, entry in (document.get("theorems") or {}).items()
    ]
