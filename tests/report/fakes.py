"""Results of a demonstration as the commands print them: the theory is real, ensemble and network are made up."""

from typing import Any

import numpy as np

from deepcollapse.curvature import Spectrum, collapse_spectrum
from deepcollapse.report import Report, demo_sections
from deepcollapse.ufm import Problem, Structure, structure, structures

PROBLEM = Problem(classes=10, samples=5, layers=2, width=70)


DECAY = PROBLEM.mean_decay
SPECTRA = {
    "simplex": collapse_spectrum(PROBLEM),
    "partition-2-2-2-4": Spectrum(
        eigenvalues=DECAY * np.array([-1.25, 0.0, 1.0, 2.0, 6.2, 14.5]),
        multiplicities=np.array([5, 798, 9000, 810, 30, 40]),
        decay=DECAY,
        solution_dimension=798,
    ),
}


def overview(found: tuple[Structure, ...] | None = None) -> dict[str, Any]:
    found = structures(PROBLEM) if found is None else found
    simplex = next(one for one in found if one.name == "simplex")
    return {
        "problem": {"classes": 10, "samples": 5, "layers": 2, "width": 70, "decay": 2.0**-10, "activation": "linear"},
        "dnc": {
            "exists": True,
            "scale": simplex.scales[0],
            "loss": simplex.loss,
            "rank": 9,
            "decay_max": 0.050445672,
            "stable": True,
            "stable_scale_min": 3.3333,
            "stable_decay_max": 0.023590119721,
        },
        "structures": [{"name": one.name, "rank": one.rank, "scale": one.scales, "loss": one.loss} for one in found],
        "best": found[0].name,
        "theorems": {
            "T1": {"applies": True, "holds": True, "statement": "no DNC point is a global minimum"},
            "T7": {"applies": False, "holds": None, "statement": "the same for ReLU networks"},
        },
        "dimension": {
            "rank": 5,
            "dnc": {"paper": 1098, "exact": 1170},
            "low_rank": {"paper": 650, "exact": 670},
            "ratio": {"paper": 1098 / 650, "exact": 1170 / 670},
            "ratio_limit": 1.8,
        },
        "certificate": {
            "verified": True,
            "dnc_lower_bound": 0.09065328934588296,
            "competitor_upper_bound": 0.0800126592451,
            "competitor": "paired",
            "reason": "proven: the enclosures are disjoint",
        },
    }


def ensemble() -> dict[str, Any]:
    losses = [0.0800126593] * 40 + [0.0834598] * 3 + [0.0814321534] * 6 + [0.0906621834] * 12 + [0.0884334] * 2
    return {
        "runs": 64,
        "converged": 63,
        "settled": 0,
        "zero": 0,
        "not_converged": 1,
        "stalled": 0,
        "diverged": 0,
        "interrupted": 0,
        "dnc": {"count": 12, "undecided": 1, "runs": 64, "rate": None, "interval": [0.11, 0.317]},
        "ranks": {"5": 40, "6": 3, "4": 6, "9": 12, "8": 2},
        "structures": {
            "paired": 40, "T5": 6, "partition-2-2-2-4": 3, "partition-2-8": 2, "dnc": 12
        },
        "losses": [*losses, 0.0851],
        "engine": "batched",
        "seconds": 41.3,
    }  # fmt: skip


def digits() -> dict[str, Any]:
    step = np.arange(0, 6001, 50)
    falling = 10 * np.exp(-step[:, None] / (300.0 + 60 * np.arange(6))) + 1e-7
    rising = np.tile(32 * (1 - np.exp(-step[:, None] / 300)) + 0.1, (1, 4))
    values = np.hstack([rising, falling])
    return {
        "objective": 0.1932,
        "spec": {"name": "Digits"},
        "dnc_bound": 0.2421977,
        "bound": "exact",
        "undefined": None,
        "below_bound": True,
        "best_structure_loss": 0.1851,
        "best_structure": "T5",
        "singular_values": values[-1].tolist(),
        "rank": {"paper": 9, "scale_free": 4},
        "logits": (2.0 * structure("T5", PROBLEM).logits).tolist(),
        "structure": "T5",
        "layers": [
            {"name": "backbone.1", "metrics": layer_metrics(5, 0.31), "warnings": []},
            {"name": "head.linear.0", "metrics": layer_metrics(4, 0.021) | {"cdnv": None}, "warnings": ["cdnv: none"]},
            {"name": "head.linear.1", "metrics": None, "warnings": ["class means: equal"]},
        ],
        "train_error": 0.0,
        "test_accuracy": 0.972,
        "converged": True,
        "outcome": "stalled",
        "explanation": "on a plateau",
        "steps": 6000,
        "polished": {
            "start_loss": 0.1932,
            "loss": 0.1851,
            "converged": True,
            "explanation": None,
            "structure": "T5",
            "stable": True,
            "rest": None,
            "moved": 0.05,
        },
        "trajectory": {
            "steps": step.tolist(),
            "objective": (0.1932 + 2 * np.exp(-step / 500)).tolist(),
            "train_error": np.where(step < 900, 0.1, 0.0).tolist(),
            "singular_values": values.tolist(),
        },
    }


def layer_metrics(rank: int, spread: float) -> dict:
    nc2 = {"equinorm_means": 0.12, "equiangular_means": 0.4, "etf_error_means": 0.5}
    return {"nc1": {"quotient": spread, "rank": rank}, "cdnv": spread / 2, "nc2": nc2}


def report() -> Report:
    found = structures(PROBLEM)
    return demo_sections(
        overview=overview(found), spectra=SPECTRA, ensemble=ensemble(), digits=digits(), structures=found
    )
