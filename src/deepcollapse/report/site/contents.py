"""What a store holds, as the page wants it: finished runs by kind, in order, with their specifications and parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepcollapse.errors import InvalidInputError
from deepcollapse.store import PlanRecord, Store

__all__ = ["Contents", "KindOfRun", "cells", "contents"]

_KINDS = ("simulate", "train", "landscape", "theory")
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KindOfRun:
    """All finished runs of one kind.

    Attributes:
        kind: of the runs.
        ids: of the runs, those of a plan together and in its order.
        specs: one per run.
        places: for each run the (plan, part) pairs that name it.
        rows: of these runs, sorted by run.
        blocks: the rows of each run that has any.
    """

    kind: str
    ids: tuple[str, ...]
    specs: tuple[Mapping[str, Any], ...]
    places: tuple[tuple[Place, ...], ...]
    rows: pa.Table
    blocks: Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True)
class Contents:
    """A store, read.

    Attributes:
        store: it.
        plans: its plans.
        kinds: finished runs by kind; kinds without any are left out.
    """

    store: Store
    plans: tuple[PlanRecord, ...]
    kinds: Mapping[str, KindOfRun]

    @property
    def ids(self) -> list[str]:
        """All finished runs, kind by kind."""
        return [name for kind in self.kinds.values() for name in kind.ids]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """For each part of each plan how many runs it names and how many are done."""
        done, found = set(self.ids), {}
        for plan in self.plans:
            for run in plan.runs:
                part = found.setdefault((plan.name, run.part), {"kind": run.spec.get("kind"), "runs": 0, "done": 0})
                part["runs"] += 1
                part["done"] += run.id in done
        return [{"plan": plan, "part": part, **counts} for (plan, part), counts in found.items()]


def contents(store: Store) -> Contents:
    """Read a store: its plans, and the rows of all finished runs.

    Raises:
        InvalidInputError: a damaged file.
    """
    plans, done = store.plans(), store.done()
    specs: dict[str, Mapping[str, Any]] = {}
    places: dict[str, dict[Place, None]] = {}
    for plan in plans:
        for run in plan.runs:
            if run.id in done:
                specs.setdefault(run.id, run.spec)
                places.setdefault(run.id, {})[plan.name, run.part] = None
    specs |= {id: store.run(id).spec for id in sorted(done - specs.keys())}
    rows = store.table() if done else pa.table({"run": pa.array([], pa.string()), "kind": pa.array([], pa.string())})
    kinds = {}
    for kind in _KINDS:
        ids = tuple(id for id, spec in specs.items() if spec.get("kind") == kind)
        if ids:
            own = _rows_of(kind, rows)
            kinds[kind] = KindOfRun(
                kind=kind,
                ids=ids,
                specs=tuple(specs[id] for id in ids),
                places=tuple(tuple(places.get(id, ())) for id in ids),
                rows=own,
                blocks=_blocks(own),
            )
    _expect_known(specs)
    return Contents(store, plans, kinds)


def _rows_of(kind: str, rows: pa.Table) -> pa.Table:
    """The rows of a kind, without the columns that it leaves empty."""
    own = rows.filter(pc.field("kind") == kind).combine_chunks()
    return own.select([name for name in own.column_names if own[name].null_count < max(own.num_rows, 1)])


def _blocks(rows: pa.Table) -> dict[str, pa.Table]:
    """Rows by run, without a copy; those of a run are together."""
    encoded = rows["run"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1)).tolist()
    spans = zip(starts, [*starts[1:], rows.num_rows], strict=True)
    return {encoded.dictionary[codes[start]].as_py(): rows.slice(start, end - start) for start, end in spans}


def _expect_known(specs: Mapping[str, Mapping[str, Any]]) -> None:
    strange = sorted({str(spec.get("kind")) for spec in specs.values()} - set(_KINDS))
    if strange:
        raise InvalidInputError(
            f"store: expected runs of the kinds {', '.join(_KINDS)}, but found {strange[0]!r}; "
            "use the release that made them"
        )


def cells(rows: pa.Table, name: str) -> Sequence[Any]:
    """A column's cells; None everywhere if the table lacks it."""
    return rows[name].to_pylist() if name in rows.column_names else [None] * rows.num_rows
