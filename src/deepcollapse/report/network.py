"""The section of a report on one trained network."""

import math
from collections.abc import Sequence

import numpy as np

from deepcollapse.plot import depth_figure, logits_figure, singular_values_figure, trajectory_figure
from deepcollapse.report.captions import Json
from deepcollapse.report.network_captions import (
    network_against_bound,
    network_polished,
    network_rank,
    network_training,
)
from deepcollapse.report.page import Picture, Section, Table
from deepcollapse.report.words import number

__all__ = ["network_pictures", "network_section"]

_METRICS = {
    ("nc1", "quotient"): "NC1, quotient",
    ("cdnv",): "CDNV",
    ("nc1", "rank"): "rank of the class means",
    ("nc2", "equinorm_means"): "NC2, equal norms",
    ("nc2", "equiangular_means"): "NC2, equal angles",
    ("nc2", "etf_error_means"): "NC2, simplex",
}


def network_section(network: Json, *, heading: str = "A network on images of digits") -> Section:
    """A network's training run, its class-mean logits, their singular values, and neural collapse by layer.

    Args:
        network: what ``deepcollapse train --json`` prints.
        heading: of the section.
    """
    said = (network_against_bound, network_training, network_rank, network_polished)
    prose = tuple(text for say in said if (text := say(network)))
    return Section(heading=heading, prose=prose, pictures=tuple(network_pictures(network).values()))


def network_pictures(network: Json) -> dict[str, Picture]:
    """The pictures of the section by name; those that have nothing to show are left out."""
    found = {"training": _trajectory(network)}
    if network["logits"] is not None:
        found |= {"logits": _logits(network), "singular-values": _singular_values(network)}
    return found | ({"depth": _depth(network["layers"])} if network["layers"] else {})


def _trajectory(network: Json) -> Picture:
    seen = network["trajectory"]
    exact = network["bound"] == "exact"
    best = network["best_structure_loss"] if exact else None
    values = np.array(seen["singular_values"], dtype=float)
    figure = trajectory_figure(
        np.array(seen["steps"], dtype=int),
        np.array(seen["objective"], dtype=float),
        values,
        bound=network["dnc_bound"] if exact else None,
        best=None if best is None else (network["best_structure"], best),
        train_error=np.array(seen["train_error"], dtype=float),
    )
    recorded = {key: list(seen[key]) for key in ("steps", "objective", "train_error")}
    columns = {f"singular_value_{index}": column.tolist() for index, column in enumerate(values.T, start=1)}
    return Picture(
        figure=figure,
        caption="Regularised loss over training (above) and singular values of the class-mean logits (below).",
        description=f"Regularised loss from {number(seen['objective'][0])} to {number(seen['objective'][-1])} over "
        f"{number(seen['steps'][-1])} steps, and {values.shape[1]} singular values over the same steps.",
        data=Table(recorded | columns),
    )


def _logits(network: Json) -> Picture:
    matrix = np.array(network["logits"], dtype=float)
    columns = {f"class_{index}": column.tolist() for index, column in enumerate(matrix.T)}
    return Picture(
        figure=logits_figure([matrix], ["class-mean logits"]),
        caption="The network's logits at the end of training, averaged over the training images of each class.",
        description=f"Heat map of a {matrix.shape[0]} by {matrix.shape[1]} matrix, entries from "
        f"{number(float(matrix.min()), digits=3)} to {number(float(matrix.max()), digits=3)}.",
        data=Table({"logit_of_class": list(range(len(matrix)))} | columns),
    )


def _singular_values(network: Json) -> Picture:
    values = np.array(network["singular_values"], dtype=float)
    return Picture(
        figure=singular_values_figure({"class-mean logits": values}),
        caption="Singular values of the class-mean logits at the end of training.",
        description=f"Singular values {', '.join(number(value, digits=3) for value in values.tolist())}.",
        data=Table({"singular_value": values.tolist()}),
    )


def _depth(layers: Sequence[Json]) -> Picture:
    names = [layer["name"] for layer in layers]
    values = {path: [_value(layer["metrics"], *path) for layer in layers] for path in _METRICS}
    figure = depth_figure(names, {title: np.array(values[path], dtype=float) for path, title in _METRICS.items()})
    caption = (
        "Neural collapse from layer to layer on the training images: the outputs of the backbone's layers, what enters "
        "the classifier, and the logits. All but the rank are zero at collapse; a gap is a layer where a metric has no "
        "value."
    )
    columns = {"_".join(path): [None if math.isnan(value) else value for value in values[path]] for path in _METRICS}
    description = f"{', '.join(_METRICS.values())} at {len(layers)} layers."
    return Picture(figure, caption, description, data=Table({"layer": names} | columns))


def _value(metrics: Json | None, part: str, name: str | None = None) -> float:
    found = None if metrics is None else metrics[part] if name is None else metrics[part][name]
    return math.nan if found is None else found
