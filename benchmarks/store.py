"""Time a store of many finished runs: ``python -m benchmarks.store [--runs N] [--rounds R] [--json FILE]``.

The runs are of three kinds with rows as wide as real ones: ensembles of 16 seeds, theory with 12 structures, networks
with one row. They are put in their folders directly; what a commit takes, with everything flushed to the disk, is
timed on a few. Files were just written, so that they are read from memory rather than from the disk.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measurement import machine, summary
from deepcollapse.store import Outcome, Queued, Store, run_id

__all__ = ["filled", "main", "outcome", "spec", "store_rows"]

_SEEDS = 16
_STRUCTURES = 12
_COMMITS = 20
_LEASE = 600.0
_QUESTION = "SELECT kind, status, count(*) AS rows, avg(loss) AS loss FROM runs GROUP BY ALL ORDER BY ALL"


def spec(number: int) -> dict[str, object]:
    """Of six runs three are ensembles, two are theory, one trains a network."""
    kind = ("simulate", "theory", "simulate", "theory", "simulate", "train")[number % 6]
    return {"kind": kind, "classes": 10, "layers": 3, "width": 40, "decay": 2.0**-10, "first_seed": number}


def outcome(number: int) -> Outcome:
    """Rows as wide as those of real runs, with random numbers."""
    settings, rng = spec(number), np.random.default_rng(number)
    kind = str(settings["kind"])
    count = {"simulate": _SEEDS, "theory": _STRUCTURES, "train": 1}[kind]
    numbers = {"simulate": 14, "theory": 4, "train": 22}[kind]
    words = {"simulate": 8, "theory": 2, "train": 9}[kind]
    columns: dict[str, pa.Array] = {
        name: pa.array([value] * count) for name, value in settings.items() if name != "first_seed"
    }
    columns |= {"decays": pa.array([None] * count, pa.list_(pa.float64()))}
    columns |= {"loss_function": pa.array(["ce"] * count), "activation": pa.array(["linear"] * count)}
    columns |= {"loss": pa.array(rng.random(count)), "status": pa.array(["converged"] * count)}
    columns |= {f"{kind}_number_{k}": pa.array(rng.random(count)) for k in range(numbers)}
    columns |= {f"{kind}_word_{k}": pa.array([f"structure {k}"] * count) for k in range(words)}
    columns |= {"singular_values": pa.array(list(rng.random((count, 10))), pa.list_(pa.float64()))}
    document = {"spec": settings, "losses": rng.random(count).tolist()}
    arrays = {} if kind == "theory" else {"logits": rng.random((count, 10, 10))}
    return Outcome(settings, pa.table(columns), arrays, document, {"seconds": float(rng.random())})


def filled(folder: Path, runs: int) -> Store:
    """A store in which so many runs are done, and as many wanted by a plan."""
    store = Store.create(folder)
    queued = [Queued(run_id(spec(number)), "part", spec(number)) for number in range(runs)]
    store.enqueue("benchmark", queued, {"name": "benchmark"})
    for number, run in enumerate(queued):
        place = folder / "runs" / run.id
        place.mkdir()
        for name, content in outcome(number).files(run.id).items():
            (place / name).write_bytes(content)
    return store


def store_rows(store: Store, *, rounds: int) -> Iterator[dict[str, object]]:
    """Seconds of what is done with the store."""
    table = store.path / "table.parquet"
    some = sorted(store.done())[:200]

    def from_nothing() -> None:
        table.unlink(missing_ok=True)

    tasks: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "status": (_nothing, store.status),
        "deepcollapse status, whole process": (_nothing, lambda: _command("status", str(store.path))),
        "table of all, nothing compacted": (from_nothing, store.table),
        "compact, from nothing": (from_nothing, store.compact),
        "compact, nothing new": (_nothing, store.compact),
        "table of all, compacted": (_nothing, store.table),
        "table of 200 runs, compacted": (_nothing, lambda: store.table(some)),
        "query, compacted": (_nothing, lambda: store.query(_QUESTION)),
        f"claim and commit of one run, mean of {_COMMITS}": (_nothing, lambda: _commits(store)),
        f"compact, {_COMMITS} new": (lambda: _commits(store), store.compact),
        "gc, nothing to remove": (_nothing, lambda: store.gc(dry=True)),
    }
    for name, (before, task) in tasks.items():
        seconds = []
        for _ in range(rounds):
            before()
            start = time.perf_counter()
            task()
            seconds.append(time.perf_counter() - start)
        share = _COMMITS if name.startswith("claim") else 1
        yield {"task": name, "seconds": summary(np.array(seconds) / share)}


def _nothing() -> None:
    pass


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "deepcollapse", *arguments], check=True, capture_output=True)


def _commits(store: Store) -> None:
    """Runs that are new each time."""
    first = 10_000_000 + len(store.done())
    for number in range(first, first + _COMMITS):
        claim = store.claim(run_id(spec(number)), "benchmark", _LEASE)
        if claim:
            store.commit(claim, outcome(number))


def main(arguments: list[str] | None = None) -> None:
    """Fill a store, measure, print, and write the JSON file asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description="Time a store of many runs.")
    parser.add_argument("--runs", type=int, default=10_000, help="finished runs in the store (default 10000)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of everything (default 3)")
    parser.add_argument("--folder", type=Path, help="where to make the store, which is removed (default: temporary)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.runs < 1:
        parser.error(f"expected whole numbers >= 1, but found {options.runs} runs and {options.rounds} rounds")
    folder = Path(tempfile.mkdtemp(prefix="store-", dir=options.folder))
    try:
        start = time.perf_counter()
        store = filled(folder, options.runs)
        found = {"machine": machine(), "runs": options.runs, "rounds": options.rounds}
        found["filled_in"] = time.perf_counter() - start
        found["rows"] = list(store_rows(store, rounds=options.rounds))
    finally:
        shutil.rmtree(folder)
    print(*_text(found), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _text(found: dict) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    yield f"{found['runs']} finished runs; median [quartiles] of {found['rounds']} rounds, seconds"
    for row in found["rows"]:
        median, lower, upper = (f"{row['seconds'][name]:.3f}" for name in ("median", "lower", "upper"))
        yield f"{row['task']:<48}{median} [{lower}, {upper}]"


if __name__ == "__main__":
    main()
