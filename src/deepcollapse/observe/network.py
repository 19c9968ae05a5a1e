"""Neural collapse of a whole network: one pass over data, then the metrics of every layer asked for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import numpy as np
from torch import nn

from deepcollapse.errors import InvalidInputError, UndefinedError
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
    rtol: float = 1e-3,
    drop_empty: bool = False,
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
        rtol: from 0 up to 1; which directions of the class means count, see ``metrics.between_class``.
        drop_empty: leave out classes without samples, and their rows of the classifier, rather than refuse. Accuracy is
            still that among all classes.
        **options: of ``probe``: pooling, outputs, device, forward, labels, distributed and so on.

    Raises:
        InvalidInputError: names that do not exist, layers that gave nothing, labels out of range, classes without
            samples, features that are not finite; each with its remedy.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    >>> inputs, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    >>> found = measure(model, [(inputs, labels)])
    >>> [layer.name for layer in found.layers]
    ['0', '2 (input)', '2']
    >>> found["0"].nc1.quotient
    0.0
    """
    _expect_options(centre, rtol)  # before the pass over the data
    seen = probe(model, loader, layers=layers, classes=classes, classifier=classifier, **options)
    return measured(seen, centre=centre, rtol=rtol, drop_empty=drop_empty)


def measured(
    seen: Observation, *, centre: Centre = "class", rtol: float = 1e-3, drop_empty: bool = False
) -> Measurement:
    """The metrics of what a probe has seen.

    A layer whose class means are all equal has none; the reason is among the warnings.

    Args:
        seen: what ``probe`` returned.
        centre: where class means are centred, "class" or "sample".
        rtol: which directions of the class means count.
        drop_empty: leave out classes without samples.

    Raises:
        InvalidInputError: classes without samples, unless they are dropped; an unknown centre; rtol out of range.
    """
    _expect_options(centre, rtol)
    reader = seen.classifier
    empty = next((moments.empty for moments in (*seen.layers.values(), reader and reader.moments) if moments), ())
    if empty and not drop_empty:
        raise InvalidInputError(
            f"classes: expected samples of all of them, but found none of {list(empty)}; measure more samples, or drop "
            "these classes with drop_empty=True"
        )
    found = [_layer(name, moments, centre=centre, rtol=rtol) for name, moments in seen.layers.items()]
    if reader is not None:
        rows = {
            "weight": np.delete(reader.weight, empty, axis=0),
            "bias": None if reader.bias is None else np.delete(reader.bias, empty),
            "agreement": reader.agreement,
        }
        entering = _layer(f"{reader.name} (input)", reader.moments, centre=centre, rtol=rtol, **rows)
        names = [layer.name for layer in found]
        found.insert(names.index(reader.name) if reader.name in names else len(found), entering)
    return Measurement(tuple(found), seen.samples, seen.accuracy, empty, tuple(_notes(seen, empty)))


def _notes(seen: Observation, empty: tuple[int, ...]) -> Iterator[str]:
    yield from seen.notes
    if empty:
        yield f"classes: no samples of {list(empty)}, dropped; the others are numbered anew"


def _expect_options(centre: str, rtol: float) -> None:
    if centre not in get_args(Centre):
        raise InvalidInputError(f'centre: expected "class" or "sample", but found {centre!r}; choose one of the two')
    if not 0 <= rtol < 1:
        raise InvalidInputError(f"rtol: expected a number from 0 up to 1, but found {rtol}; the default is 1e-3")


def _layer(name: str, moments: ClassMoments, *, rtol: float, **options: Any) -> LayerMeasurement:
    moments = moments.present() if moments.empty else moments
    metrics: CollapseMetrics | None = None
    try:
        metrics = collapse_metrics(moments, rtol=rtol, **options)
        warnings = (*metrics.warnings, *_hidden_directions(metrics, moments.noise, rtol=rtol))
    except UndefinedError as error:
        warnings = (str(error),)
    return LayerMeasurement(name, moments, metrics, warnings)


def _hidden_directions(metrics: CollapseMetrics, noise: float, *, rtol: float) -> Iterator[str]:
    """Why fewer directions count than the same network would have in a wider dtype."""
    values = metrics.spectrum.singular_values[: metrics.classes - 1] / np.sqrt(metrics.classes)
    hidden = int(((values > rtol * values[0]) & (values <= noise)).sum())
    if hidden:
        yield (
            f"nc1: expected directions of the class means beyond the rounding of the features' dtype, but found "
            f"{hidden} of {metrics.nc1.rank + hidden} within it (up to {noise:.3g}); they do not count, measure in a "
            "wider dtype to see them"
        )
