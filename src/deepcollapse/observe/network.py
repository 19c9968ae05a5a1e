"""Neural collapse of a whole network: one pass over data, then the metrics of every layer asked for."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import nn

from deepcollapse.errors import UndefinedError
from deepcollapse.metrics import CollapseMetrics, collapse_metrics
from deepcollapse.observe.measurement import LayerMeasurement, Measurement
from deepcollapse.observe.probe import Observation, probe
from deepcollapse.stats import Centre, ClassMoments

__all__ = ["measure", "measured"]


def measure(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: Sequence[str] | None = None,
    classes: int | None = None,
    classifier: str | None = None,
    centre: Centre = "class",
    **options: Any,
) -> Measurement:
    """NC1 to NC4, spectra and structure of the features of a classifier, layer by layer.

    The model runs once over the loader, in evaluation mode and without gradients; its mode is restored. Statistics are
    float64 whatever the model's precision.

    Args:
        model: any module that returns logits (a tensor, or an output with ``.logits``).
        loader: batches (inputs, labels) or dicts with "labels"; see ``probe``.
        layers: names as in ``model.named_modules()``; None for every linear and convolutional layer.
        classes: K; None for the number of logits.
        classifier: name of the linear layer that gives the logits; None for the last one that does.
        centre: where class means are centred, "class" or "sample".
        **options: of ``probe``: pooling, device and so on.

    Raises:
        InvalidInputError: names that do not exist, layers that gave nothing, labels out of range, features that are not
            finite, a compiled model; each with its remedy.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    >>> inputs, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    >>> found = measure(model, [(inputs, labels)])
    >>> [layer.name for layer in found.layers]
    ['0', '2 (input)', '2']
    >>> found["0"].nc1.quotient
    0.0
    """
    seen = probe(model, loader, layers=layers, classes=classes, classifier=classifier, **options)
    return measured(seen, centre=centre)


def measured(seen: Observation, *, centre: Centre = "class") -> Measurement:
    """The metrics of what a probe has seen.

    A layer whose class means are all equal has none; the reason is among the warnings.
    """
    found = []
    for name, moments in seen.layers.items():
        found.append(_layer(name, moments, centre=centre))
    if (reader := seen.classifier) is not None:
        entering = _layer(
            f"{reader.name} (input)",
            reader.moments,
            centre=centre,
            weight=reader.weight,
            bias=reader.bias,
            agreement=reader.agreement,
        )
        names = [layer.name for layer in found]
        found.insert(names.index(reader.name) if reader.name in names else len(found), entering)
    return Measurement(tuple(found), seen.samples, seen.accuracy)


def _layer(
    name: str,
    moments: ClassMoments,
    *,
    centre: Centre,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    agreement: float | None = None,
) -> LayerMeasurement:
    metrics: CollapseMetrics | None = None
    try:
        metrics = collapse_metrics(moments, weight=weight, bias=bias, agreement=agreement, centre=centre)
        warnings = metrics.warnings
    except UndefinedError as error:
        warnings = (str(error),)
    return LayerMeasurement(name, moments, metrics, warnings)
