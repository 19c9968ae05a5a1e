"""Hand-made measurements, without a network."""

import numpy as np

from deepcollapse.metrics.collapse_metrics import collapse_metrics
from deepcollapse.observe.measurement import LayerMeasurement, Measurement
from deepcollapse.stats import class_moments

CLASSES = 3


def features(seed: int, *, width: int = 4, samples: int = 30, spread: float = 0.2):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(samples) % CLASSES)
    return rng.standard_normal((CLASSES, width))[labels] + spread * rng.standard_normal((samples, width)), labels


def layer(name: str, seed: int, *, undefined: bool = False) -> LayerMeasurement:
    rows, labels = features(seed)
    moments = class_moments(rows, labels, classes=CLASSES)
    if undefined:
        return LayerMeasurement(name, moments, None, ("all class means are equal",))
    return LayerMeasurement(name, moments, collapse_metrics(moments), ("nc3: no classifier",))


def measurement(seed: int = 0, *, names: tuple[str, ...] = ("0", "2 (input)", "2")) -> Measurement:
    """Three layers, the last of which has no metrics."""
    last = len(names) - 1
    layers = [layer(name, seed + depth, undefined=depth == last) for depth, name in enumerate(names)]
    return Measurement(tuple(layers), samples=30, accuracy=0.5)
