"""Plans that take milliseconds a run, what their store must hold, and the ways to end a run badly."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from deepcollapse.store import Store

RUN = {"classes": 2, "layers": 1}
QUICK = {**RUN, "lr": 1.0, "engine": "torch", "steps_max": 20}
TESTS = str(Path(__file__).parents[1])


def quick_runs(count: int, name: str = "quick") -> dict[str, Any]:
    """So many runs of a few steps."""
    return {"name": name, "kind": "simulate", "run": QUICK, "seeds": {"count": count, "block": 1}}


def of_every_kind() -> dict[str, Any]:
    """A few runs of every kind that takes milliseconds."""
    parts = [
        {"name": "t", "kind": "theory", "run": RUN, "grid": {"decay": ["2^-5", "2^-6", 0.3]}},
        {"name": "l", "kind": "landscape", "run": {**RUN, "restarts": 2}, "seeds": {"count": 2}},
        {"name": "s", "kind": "simulate", "run": QUICK, "grid": {"width": [2, 3]}, "seeds": {"count": 5, "block": 2}},
        {"name": "u", "kind": "simulate", "run": QUICK, "grid": {"width": [3]}, "seeds": {"count": 5, "block": 2}},
    ]
    return {"name": "every kind", "parts": parts}


def doomed(*names: str, folder: Path | None = None) -> dict[str, Any]:
    """A part with one run for each of these functions of ``doomed.py``; the folder is where they leave signs."""
    arguments = {"folder": str(folder)} if folder else {}
    backbones = [{"kind": "factory", "factory": f"sweep.doomed:{name}", "arguments": arguments} for name in names]
    spec = {
        "name": "doomed",
        "data": {"source": "digits", "per_class": 5},
        "head": {"width": 10},
        "decay": {"kind": "ufm", "weights": 1e-2, "features": 1e-2},
        "descent": {"steps_max": 3, "looks": 2},
        "analysis": {"polish": False, "layers": False},
    }
    return {"name": "doomed", "kind": "train", "grid": {"spec": [{**spec, "backbone": one} for one in backbones]}}


def broken_off(store: Store, id: str, *, times: int) -> None:
    """Leave the claims of so many workers that died with a run."""
    for _ in range(times):
        assert store.claim(id, "victim", 60.0)
        for file in (store.path / "claims").iterdir():
            os.utime(file, (1, 1))


def whole_table(store: Store, ids: Sequence[str]) -> pa.Table:
    """The rows of these runs, which must be all there is and nothing but whole."""
    assert store.done() == set(ids)
    for id in ids:
        store.run(id)
    found = store.table()
    assert set(found["run"].to_pylist()) == set(ids)
    return found
