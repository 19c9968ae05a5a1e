"""Logits of a bounded number of representative runs, packed small."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import pyarrow as pa

from deepcollapse.report.site.columns import significant
from deepcollapse.report.site.contents import Contents, KindOfRun, cells
from deepcollapse.simulate import DECIDED
from deepcollapse.store.identity import nullable_json

__all__ = ["MATRICES_PER_FILE", "Matrices", "matrices", "representative"]

MATRICES_PER_FILE = 25
"""Runs whose logits share a file."""

_RUNS = 400
_SEEDS = 16  # of a run
_ENTRIES = 2_000_000  # of all matrices together


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrices:
    """The logits of one run's endpoints.

    Attributes:
        labels: what each matrix is: a seed, a minimum, a network's end.
        structures: their names.
        losses: their losses.
        values: their singular values.
        logits: M x K x K.
    """

    labels: Sequence[str]
    structures: Sequence[str | None]
    losses: Sequence[float | None]
    values: Sequence[Sequence[float] | None]
    logits: np.ndarray

    def cut(self, count: int) -> "Matrices":
        """At most so many: first one of each structure, then in order."""
        first = [self.structures.index(name) for name in dict.fromkeys(self.structures)]
        chosen = sorted(list(dict.fromkeys([*first, *range(len(self.labels))]))[:count])
        return Matrices(
            labels=[self.labels[index] for index in chosen],
            structures=[self.structures[index] for index in chosen],
            losses=[self.losses[index] for index in chosen],
            values=[self.values[index] for index in chosen],
            logits=self.logits[chosen],
        )

    def as_json(self) -> dict[str, Any]:
        """In JSON types; the logits as the bytes of little-endian float32 in base64."""
        values = [
            None if found is None else significant(np.array(found, dtype=float), 7).tolist() for found in self.values
        ]
        return {
            "labels": list(self.labels),
            "structures": list(self.structures),
            "losses": nullable_json(self.losses, "losses"),
            "values": nullable_json(values, "values"),
            "classes": self.logits.shape[-1],
            "logits": base64.b64encode(np.ascontiguousarray(self.logits, dtype="<f4").tobytes()).decode("ascii"),
        }


def representative(found: Contents, first: Iterable[Sequence[str]] = ()) -> list[str]:
    """Runs to picture, the most telling first: those that claims rest on by turns, then some of each part by turns.

    Args:
        found: the store.
        first: for each claim the runs it rests on.
    """
    known = set(found.ids)
    parts: dict[Any, list[str]] = {}
    for kind in found.kinds.values():
        for id, places in zip(kind.ids, kind.places, strict=True):
            for place in places or ((kind.kind, ""),):
                parts.setdefault(place, []).append(id)
    turns = chain(
        _by_turns([_spread(list(runs)) for runs in first]), _by_turns([_spread(runs) for runs in parts.values()])
    )
    return [id for id in dict.fromkeys(turns) if id in known]


def matrices(found: Contents, order: Sequence[str]) -> Iterator[tuple[str, Matrices]]:
    """The logits of runs in this order, as many as fit the page; runs without logits are left out."""
    kinds = {id: kind for kind in found.kinds.values() for id in kind.ids if kind.kind in _READERS}
    left, runs = _ENTRIES, 0
    for id in order:
        if runs == _RUNS or left <= 0:
            return
        if id not in kinds or id not in kinds[id].blocks:
            continue
        read = _read(found, kinds[id], id=id, rows=kinds[id].blocks[id])
        fitting = 0 if read is None else left // (read.logits.shape[-1] ** 2 or 1)
        if read is None or not fitting:
            continue
        kept = read.cut(min(_SEEDS, fitting))
        left, runs = left - kept.logits.size, runs + 1
        yield id, kept


def _read(found: Contents, kind: KindOfRun, *, id: str, rows: pa.Table) -> Matrices | None:
    arrays = found.store.run(id).arrays
    needed = {"logits", "seeds"} if kind.kind == "simulate" else {"logits"}
    if not needed <= {*arrays} or not arrays["logits"].size:
        return None
    return _READERS[kind.kind](arrays, rows)


def _of_seeds(arrays: Mapping[str, np.ndarray], rows: pa.Table) -> Matrices:
    place = {seed: index for index, seed in enumerate(cells(rows, "seed"))}
    where = [place[seed] for seed in arrays["seeds"].tolist()]
    statuses, names, losses, values = (
        [cells(rows, name)[index] for index in where] for name in ("status", "structure", "loss", "singular_values")
    )
    return Matrices(
        labels=[f"seed {seed}" for seed in arrays["seeds"].tolist()],
        structures=[name if status in DECIDED else status for status, name in zip(statuses, names, strict=True)],
        losses=losses,
        values=values,
        logits=arrays["logits"],
    )


def _of_minima(arrays: Mapping[str, np.ndarray], rows: pa.Table) -> Matrices:
    return Matrices(
        labels=[f"point {number}" for number in range(1, rows.num_rows + 1)],
        structures=cells(rows, "structure"),
        losses=cells(rows, "loss"),
        values=cells(rows, "singular_values"),
        logits=arrays["logits"],
    )


def _of_network(arrays: Mapping[str, np.ndarray], rows: pa.Table) -> Matrices:
    row = rows.slice(0, 1).to_pylist()[0]
    ends = [("trained", "", row.get("structure"), row.get("loss"))]
    if "polished/logits" in arrays:
        ends.append(("with free features", "polished/", row.get("polished_structure"), row.get("polished_loss")))
    return Matrices(
        labels=[label for label, *_ in ends],
        structures=[name for _, _, name, _ in ends],
        losses=[loss for *_, loss in ends],
        values=[arrays[f"{prefix}singular_values"].tolist() for _, prefix, *_ in ends],
        logits=np.stack([arrays[f"{prefix}logits"] for _, prefix, *_ in ends]),
    )


_READERS = {"simulate": _of_seeds, "landscape": _of_minima, "train": _of_network}


def _spread(runs: list[str]) -> list[str]:
    """The same runs in an order whose first ones are always spread over all: first and middle, the quarters, ..."""
    order, step = [], len(runs)
    while step > 1:
        step = -(-step // 2)
        order += range(0, len(runs), step)
    return [runs[index] for index in dict.fromkeys([*order, *range(len(runs))])]


def _by_turns(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    return (id for turn in zip_longest(*lists) for id in turn if id is not None)
