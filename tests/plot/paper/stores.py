"""A store with small runs of every kind that the paper's figures are drawn from, made through the public interface."""

from pathlib import Path
from typing import Any

from deepcollapse.experiments.run_kinds import run_spec
from deepcollapse.experiments.train_spec import train_spec
from deepcollapse.store import Outcome, Queued, Store, run_id

MODEL = {"kind": "simulate", "classes": 4, "layers": 2, "decay": 2.0**-5, "lr": 1.0, "engine": "torch"}


def simulated(**changes: Any) -> dict[str, Any]:
    """A small ensemble."""
    return MODEL | {"width": 4, "seeds": 4} | changes


def trained(seed: int, **changes: Any) -> dict[str, Any]:
    """A short training run on digits."""
    document = train_spec("digits", [f"seed={seed}"]).as_json()
    document["data"]["per_class"] = 20
    document["backbone"]["hidden"] = [16]
    document["head"]["width"] = 12
    document["descent"]["steps_max"] = 30
    document["analysis"] = {"layers": False, "polish": False, "noise": [0.1]}
    return {"kind": "train", "spec": document | changes}


PARTS: dict[str, list[dict[str, Any]]] = {
    "E1": [simulated()],
    "E2": [simulated(width=width, init_scale=scale) for width in (4, 6, 8) for scale in (0.5, 1.0)],
    "E3": [simulated(decay=2.0**-7), simulated(decay=2.0**-5, steps_max=150), simulated(decay=2.0**-1)],
    "E4-digits": [trained(0), trained(1)],
    "E6-digits": [trained(0, decay={"kind": "standard", "weights": 5e-3})],
    "E7-feature-model": [simulated(activation="relu", layers=3, decay=2.0**-7)],
    "T5": [],
}


def queued(parts: dict[str, list[dict[str, Any]]]) -> list[Queued]:
    """The runs of parts, as a store takes them."""
    specs = [(part, run_spec(document)) for part, runs in parts.items() for document in runs]
    return [Queued(run_id(spec.identity()), part, spec.as_json()) for part, spec in specs]


def filled(folder: Path, parts: dict[str, list[dict[str, Any]]], *, name: str = "small") -> Store:
    """A store with one plan whose runs are all done."""
    store = Store.create(folder)
    runs = queued(parts)
    store.enqueue(name, runs, {"name": name})
    for run in runs:
        do(store, run)
    return store


def do(store: Store, run: Queued) -> None:
    """Do a run and keep it."""
    claim = store.claim(run.id, "test", 60.0)
    if claim is None:  # another part has it too
        return
    found = run_spec(run.spec).result(claim.work)
    store.commit(claim, Outcome(run.spec, found.rows, found.arrays, found.document, found.notes))
