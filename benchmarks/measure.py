"""The whole set of metrics against the matrix products that its definitions cannot do without, and against others.

All of it in one run, in turn, on features in memory. The other library is ``neural_collapse`` of github.com/rhubarbwu,
which is on no package index: name the folder of its repository as ``peer``, or its rows say "not compared".

The products are X^T X for the scatter and, for NC4, X times the classifier and X times the class means, on a copy of
the features that is float64 already.
"""

import sys
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from benchmarks.measurement import Key, Task, speeds, summary
from deepcollapse.metrics import collapse_metrics, nc4_agreement
from deepcollapse.stats import class_moments

__all__ = [
    "CASES",
    "MOST_RATIO",
    "Labelled",
    "labelled",
    "measure_rows",
    "measure_tasks",
    "memory_growth",
    "ours",
    "theirs",
]

MOST_RATIO = 1.5
"""The set should take at most so many times what the products take."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Features X (N x d, float32) of K classes, and a classifier W."""

    features: np.ndarray
    labels: np.ndarray
    weight: np.ndarray

    @property
    def classes(self) -> int:
        """K."""
        return len(self.weight)


PEER = "neural_collapse"

CASES = ((50_000, 512, 10), (50_000, 512, 1000))
"""N, d, K."""


def labelled(samples: int, width: int, classes: int) -> Labelled:
    """Gaussian classes around Gaussian means; every class has a sample."""
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % classes
    weight = rng.standard_normal((classes, width))
    features = weight[labels].astype(np.float32) + rng.standard_normal((samples, width), dtype=np.float32)
    return Labelled(features, labels, weight)


def ours(data: Labelled) -> dict[str, float]:
    """Every metric of the package."""
    moments = class_moments(data.features, data.labels, classes=data.classes)
    agreement = nc4_agreement(data.features, means=moments.means, weight=data.weight)
    return collapse_metrics(moments, weight=data.weight, agreement=agreement).scalars()


def plain(data: Labelled) -> dict[str, float]:
    """A few of them as one would write them down: whole arrays, a d x d pseudo-inverse, all distances."""
    features = data.features.astype(np.float64)
    means = np.array([features[data.labels == k].mean(axis=0) for k in range(data.classes)])
    rest, centred = features - means[data.labels], means - means.mean(axis=0)
    within, between = rest.T @ rest / len(rest), centred.T @ centred / data.classes
    norms = np.linalg.norm(centred, axis=1)
    distances = np.square(means).sum(axis=1) - 2.0 * features @ means.T
    chosen = (features @ data.weight.T).argmax(axis=1)
    return {
        "nc1/papyan": float(np.trace(within @ np.linalg.pinv(between, rcond=1e-6, hermitian=True))),
        "nc2/equinorm_means": float(norms.std(ddof=1) / norms.mean()),
        "nc3/papyan": float(
            np.linalg.norm(data.weight / np.linalg.norm(data.weight) - centred / np.linalg.norm(centred))
        ),
        "nc4/agreement": float((chosen == distances.argmin(axis=1)).mean()),
    }


def measure_tasks(cases: Mapping[Key, Labelled], *, peer: bool = False) -> dict[Key, Task]:
    """The products, the package, plain NumPy, and ``neural_collapse`` where it is to be compared."""
    tasks: dict[Key, Task] = {}
    for key, data in cases.items():
        wide = data.features.astype(np.float64)
        contenders: dict[str, Callable[[], object]] = {
            "products": partial(_products, wide, data.weight),
            "deepcollapse": partial(ours, data),
            "plain NumPy": partial(plain, data),
        }
        if peer:
            contenders[PEER] = partial(theirs, data)
        for name, call in contenders.items():
            tasks[(*key, name)] = Task(partial(_repeated, call))
    return tasks


def measure_rows(
    cases: Mapping[Key, Labelled], *, rounds: int, seconds: float, peer: Path | None = None
) -> list[dict[str, object]]:
    """Seconds of every contender, as a multiple of the products of the same round, and its peak memory.

    The row of ``neural_collapse`` has ``values``, ours and theirs by metric; without ``peer`` it says "not compared".
    """
    if peer is not None:
        sys.path.insert(0, str(peer))
    found, rows = speeds(measure_tasks(cases, peer=peer is not None), rounds=rounds, seconds=seconds), []
    for (samples, width, classes, name), speed in found.items():
        row: dict[str, object] = {"samples": samples, "width": width, "classes": classes, "contender": name}
        row["seconds"] = summary(1.0 / speed)
        row["ratio_to_products"] = summary(found[samples, width, classes, "products"] / speed)
        if name == "deepcollapse":
            row["memory_growth"] = memory_growth(cases[samples, width, classes])
        if name == PEER:
            own, others = ours(cases[samples, width, classes]), theirs(cases[samples, width, classes])
            row["values"] = {metric: {"ours": own[metric], "theirs": value} for metric, value in others.items()}
        rows.append(row)
    for samples, width, classes in cases if peer is None else ():
        size = {"samples": samples, "width": width, "classes": classes}
        rows.append({**size, "contender": PEER, "note": "not compared"})
    return rows


def memory_growth(data: Labelled) -> int:
    """Peak bytes that the set allocates beside the features, as NumPy reports them to tracemalloc."""
    tracemalloc.start()
    try:
        ours(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _products(features: np.ndarray, weight: np.ndarray) -> None:
    _ = features.T @ features
    for _ in range(2):
        _ = features @ weight.T


def theirs(data: Labelled) -> dict[str, float]:
    """The metrics that ``neural_collapse`` has, too, by our names: its accumulators and measures as in its README.

    Its precision is its default, float32, and its NC1 is divided by K.
    """
    sums, measures = import_module(f"{PEER}.accumulate"), import_module(f"{PEER}.measure")
    features, labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)
    weights, size = torch.from_numpy(data.weight).float(), (data.classes, data.features.shape[1], "cpu")
    mean_sums = sums.MeanAccumulator(*size)
    mean_sums.accumulate(features, labels)
    means, middle = mean_sums.compute()
    within, norms = sums.CovarAccumulator(*size, M=means), sums.VarNormAccumulator(*size, M=means)
    within.accumulate(features, labels, means)
    norms.accumulate(features, labels, means)
    decisions, covariance = sums.DecAccumulator(*size, M=means, W=weights), within.compute()
    decisions.accumulate(features, labels, weights, means)
    return {
        "nc1/zhu": measures.covariance_ratio(covariance, means, middle),
        "nc1/quotient": measures.covariance_ratio(covariance, means, middle, "quotient"),
        "cdnv": measures.variability_cdnv(norms.compute()[0], means, tile_size=64),
        "nc2/etf_error_means": measures.simplex_etf_error(means, middle),
        "nc3/etf": measures.self_duality_error(weights, means, middle),
        "nc4/agreement": measures.clf_ncc_agreement(decisions),
    }


def _repeated(call: Callable[[], object], count: int) -> None:
    for _ in range(count):
        call()
