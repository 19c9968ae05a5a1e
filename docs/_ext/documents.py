"""What the commands print with ``--json``, found by running each on something small."""

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from deepcollapse.cli.app import run
from deepcollapse.experiments import run_spec
from deepcollapse.plot.paper import PaperFigure, SkippedFigure
from deepcollapse.store import Outcome, Store

__all__ = ["COMMANDS", "document", "rows"]

_MODEL = ("--classes", "4", "--layers", "2")
_TOY = ("--classes", "3", "--layers", "2", "--width", "6", "--decay", "0.02")
_PLAN = 'name = "toy"\nkind = "theory"\n[run]\nlayers = 2\n[grid]\nclasses = [3, 4]\n'
_RESULTS = Path(__file__).parents[1] / "results"
_KEPT = {"train": _RESULTS / "networks" / "mnist-mlp-small.json", "reproduce": _RESULTS / "ledger.json"}

COMMANDS = {
    "theory": ("theory", *_MODEL, "--rigorous"),
    "spectrum": ("spectrum", *_MODEL, "--at", "dnc"),
    "landscape": ("landscape", *_TOY, "--restarts", "1"),
    "certify": ("certify", *_TOY, "--gap", "30%"),
    "atlas": ("atlas",),
    "simulate": (
        *("simulate", *_TOY, "--seeds", "2", "--lr", "1", "--stability", "--watch", "1"),
        *("--accelerate", "balance", "--audit", "1"),
    ),
    "measure": ("measure", "features.npz"),
    "train": (),
    "plan": ("plan", "plan.toml"),
    "sweep": ("sweep", "plan.toml", "--store", "fresh", "--launcher", "serial"),
    "status": ("status", "store"),
    "compact": ("compact", "store"),
    "query": ("query", "store", "SELECT structure, loss FROM runs"),
    "gc": ("gc", "store", "--dry-run"),
    "reproduce": (),
    "report": ("report", "store", "--out", "page"),
    "figures": (),
    "demo": (),
}
"""Arguments that give a document with all of its keys.

``train`` and ``reproduce`` are read from the results that are kept; ``figures`` and ``demo``, which would take minutes,
are made up.
"""

_KEYED_BY_DATA = {
    *("ranks", "structures", "distances", "numbers", "hypotheses", "crossing_depth", "networks", "stability"),
    *("penalties_at_unit_gap", "least_curvature_over_decay", "varying", "settings"),
}


@cache
def document(command: str) -> Mapping[str, Any]:
    """The document of a command on something small."""
    if command in _KEPT:
        return json.loads(_KEPT[command].read_text(encoding="utf-8"))
    if command == "figures":
        return _figures()
    if command == "demo":
        return {"theory": {}, "ensemble": {}, "digits": {}, "report": "build/demo/index.html"}
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _prepare(Path(folder))
        with contextlib.redirect_stdout(printed):
            code = run([*COMMANDS[command], "--json"])
    if code:
        raise RuntimeError(f"deepcollapse {' '.join(COMMANDS[command])}: exit code {code}")
    return json.loads(printed.getvalue())


def rows(value: object, *, depth: int = 3) -> Iterator[tuple[str, str]]:
    """Paths of the keys of a document, ``[]`` for entries of a list, each with its JSON type.

    Keys that are data, such as the names of structures, are not listed; of T1 to T7 the first stands for all.
    """
    yield from _below(value, "", depth)


def _below(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        if value and isinstance(value[0], Mapping):
            yield from _below(value[0], f"{path}[]", depth)
        return
    if not isinstance(value, Mapping) or path.split(".")[-1] in _KEYED_BY_DATA or not depth:
        return
    theorems = set(value) >= {"T1", "T7"}
    for key in ("T1",) if theorems else value:
        place = f"{path}.{'T1...T7' if theorems else key}" if path else str(key)
        yield place, _type(value[key])
        yield from _below(value[key], place, depth - 1)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list):
        inner = sorted({_type(entry) for entry in value})
        return f"array of {' or '.join(inner)}" if inner else "array"
    names = {int: "integer", float: "number", str: "string", type(None): "null"}
    return names[type(value)]


def _figures() -> Mapping[str, Any]:
    """One figure that was drawn, one that was not."""
    drawn = PaperFigure(number="1", caption="", plan="", parts=("E1",), runs=("0",), figure=Figure())
    skipped = SkippedFigure(number="2", parts=("E2",), reason="")
    return {"figures": [{**drawn.as_json(), "files": ["figure-1.pdf"]}], "skipped": [skipped.as_json()]}


def _prepare(folder: Path) -> None:
    """The files that the commands are run on."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 4)
    features = np.eye(3)[labels] + 0.1 * generator.normal(size=(12, 3))
    np.savez(folder / "features.npz", features=features, labels=labels, weight=np.eye(3), bias=np.zeros(3))
    (folder / "plan.toml").write_text(_PLAN, encoding="utf-8")
    spec = run_spec({"kind": "theory", "classes": 3, "layers": 2})
    store, work = Store.create(folder / "store"), folder / "work"
    work.mkdir()
    found = spec.result(work)
    claim = store.claim("0123456789abcdef", "docs", 60.0)
    if claim is not None:
        outcome = Outcome(spec.as_json(), found.rows, found.arrays, found.document, found.notes)
        store.commit(claim, outcome)
