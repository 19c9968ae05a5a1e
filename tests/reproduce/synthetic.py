"""Rows as runs leave them, made up, so that every verdict can be provoked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepcollapse.reproduce import Evidence, PartEvidence

DNC_LOSS, PAIRED_LOSS = 0.0906621832, 0.0800126592

ENDS = {
    "dnc": {"structure": "dnc", "rank": 9, "loss": DNC_LOSS},
    "paired": {"structure": "paired", "rank": 5, "loss": PAIRED_LOSS},
}


def seeds(*ends: str, first: int = 0, **settings: Any) -> list[dict[str, Any]]:
    """One row per seed; an end is a structure, "not converged" or "diverged"."""
    return [_row(seed, end, settings) for seed, end in enumerate(ends, start=first)]


def many(count: int, total: int, **settings: Any) -> list[dict[str, Any]]:
    """So many seeds in collapse, the others at pairs."""
    return seeds(*["dnc"] * count, *["paired"] * (total - count), **settings)


def _row(seed: int, end: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "run": "0" * 16,
        "kind": "simulate",
        "classes": 10,
        "layers": 2,
        "samples": 5,
        "width": 70,
        "decay": 2.0**-10,
        "activation": "linear",
        "lr": 0.5,
        "init": "gaussian",
        "init_scale": 1.0,
        "accelerate": "balance",
        "dnc_loss": DNC_LOSS,
        "seed": seed,
        "status": "converged" if end in ENDS else end,
        "structure": None,
        "rank": None,
        "loss": None,
    }
    if end == "not converged":
        row |= {"structure": "rank-7", "rank": 7, "loss": 0.1}
    return {**row, **ENDS.get(end, {}), **settings}


def network(**changes: Any) -> dict[str, Any]:
    """The row of a network at the paper's setting that shows what the paper says."""
    return {
        "run": "0" * 16,
        "kind": "train",
        "classes": 10,
        "source": "mnist",
        "per_class": 5000,
        "backbone": "resnet20",
        "activation": "linear",
        "layers": 3,
        "width": 64,
        "gain": 1.0,
        "decay_kind": "ufm",
        "decay_weights": 5e-3,
        "decay_features": 1e-6,
        "rate": 0.05,
        "batch": 10_000,
        "seed": 0,
        "loss": 0.2,
        "feature_model_objective": 0.2,
        "dnc_loss": 0.2422,
        "bound": "exact",
        "below_bound": True,
        "rank": 4,
        "rank_paper": 4,
        "structure": None,
        "nc1": 0.01,
        "train_error": 0.0,
        "test_accuracy": 0.9,
        "converged": True,
        "outcome": "converged",
        "steps": 1000,
        "polished_structure": None,
        "polished_loss": None,
    } | changes


def networks(count: int = 2, **changes: Any) -> list[dict[str, Any]]:
    """So many seeds of it."""
    return [network(**{"seed": seed} | changes) for seed in range(count)]


def part(
    name: str, rows: Iterable[Mapping[str, Any]] = (), documents: Sequence[Mapping[str, Any]] = ()
) -> PartEvidence:
    """A part with one finished run."""
    return PartEvidence(name, list(rows), documents, done=("0" * 16,))


def evidence(*parts: PartEvidence, size: str = "small") -> Evidence:
    """What a store would hold."""
    return Evidence(size, {one.name: one for one in parts})
