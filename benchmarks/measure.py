"""The whole set of metrics against the matrix products that its definitions cannot do without, and against others.

All of it in one run, in turn, on features in memory. The products are X^T X for the scatter and, for NC4, X times the
classifier and X times the class means, on a copy of the features that is float64 already.
"""

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from benchmarks.measurement import Key, Task, speeds, summary
from deepcollapse.metrics import collapse_metrics, nc4_agreement
from deepcollapse.stats import class_moments

__all__ = ["CASES", "MOST_RATIO", "Labelled", "labelled", "measure_rows", "measure_tasks", "memory_growth", "ours"]

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


def measure_tasks(cases: Mapping[Key, Labelled]) -> dict[Key, Task]:
    """The products, the package, plain NumPy, and the library ``neural_collapse`` where it is installed."""
    tasks: dict[Key, Task] = {}
    for key, data in cases.items():
        wide = data.features.astype(np.float64)
        contenders: dict[str, Callable[[], object]] = {
            "products": partial(_products, wide, data.weight),
            "deepcollapse": partial(ours, data),
            "plain NumPy": partial(plain, data),
        }
        if find_spec("neural_collapse"):
            contenders["neural_collapse"] = partial(_other, data)
        for name, call in contenders.items():
            tasks[(*key, name)] = Task(partial(_repeated, call))
    return tasks


def measure_rows(cases: Mapping[Key, Labelled], *, rounds: int, seconds: float) -> list[dict[str, object]]:
    """Seconds of every contender, as a multiple of the products of the same round, and its peak memory."""
    found, rows = speeds(measure_tasks(cases), rounds=rounds, seconds=seconds), []
    for (samples, width, classes, name), speed in found.items():
        row: dict[str, object] = {"samples": samples, "width": width, "classes": classes, "contender": name}
        row["seconds"] = summary(1.0 / speed)
        row["ratio_to_products"] = summary(found[samples, width, classes, "products"] / speed)
        if name == "deepcollapse":
            row["memory_growth"] = memory_growth(cases[samples, width, classes])
        rows.append(row)
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


def _other(data: Labelled) -> None:
    """Means, covariance and NC1 in its own float32; not NC4, whose arguments depend on the version."""
    torch, sums = import_module("torch"), import_module("neural_collapse.accumulate")
    features, labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)
    size = (data.classes, features.shape[1], "cpu")
    means = sums.MeanAccumulator(*size)
    means.accumulate(features, labels)
    centres, middle = means.compute()
    spread = sums.CovarAccumulator(*size, M=centres)
    spread.accumulate(features, labels, centres)
    import_module("neural_collapse.measure").covariance_pinv(centres, spread.compute(), middle)


def _repeated(call: Callable[[], object], count: int) -> None:
    for _ in range(count):
        call()
