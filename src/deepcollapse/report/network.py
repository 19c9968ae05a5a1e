"""The section of a report on one trained network."""

import math
from collections.abc import Sequence

import numpy as np

from deepcollapse.plot import depth_figure, logits_figure, singular_values_figure, trajectory_figure
from deepcollapse.report.captions import Json, network_against_bound, network_rank, network_training
from deepcollapse.report.page import Picture, Section, Table
from deepcollapse.report.words import number

__all__ = ["network_section"]

_METRICS = {
    "rank": "rank of the class means",
    "nc1": "NC1",
    "equinorm": "NC2, equal norms",
    "equiangularity": "NC2, equal angles",
    "nc3": "NC3",
}


def network_section(digits: Json) -> Section:
    """A network's training run, its class-mean logits, their singular values, and neural collapse by layer."""
    return Section(
        heading="A network on images of digits",
        prose=(network_against_bound(digits), network_training(digits), network_rank(digits)),
        pictures=(_trajectory(digits), _logits(digits), _singular_values(digits), *_depth(digits["depth"])),
    )


def _trajectory(digits: Json) -> Picture:
    seen = digits["trajectory"]
    best = digits["best_structure_loss"]
    values = np.array(seen["singular_values"], dtype=float)
    figure = trajectory_figure(
        np.array(seen["steps"], dtype=int),
        np.array(seen["objective"], dtype=float),
        values,
        bound=digits["dnc_bound"],
        best=None if best is None else (digits["best_structure"], best),
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


def _logits(digits: Json) -> Picture:
    matrix = np.array(digits["logits"], dtype=float)
    columns = {f"class_{index}": column.tolist() for index, column in enumerate(matrix.T)}
    return Picture(
        figure=logits_figure([matrix], ["class-mean logits"]),
        caption="The network's logits at the end of training, averaged over the training images of each class.",
        description=f"Heat map of a {matrix.shape[0]} by {matrix.shape[1]} matrix, entries from "
        f"{number(float(matrix.min()), digits=3)} to {number(float(matrix.max()), digits=3)}.",
        data=Table({"logit_of_class": list(range(len(matrix)))} | columns),
    )


def _singular_values(digits: Json) -> Picture:
    values = np.array(digits["singular_values"], dtype=float)
    return Picture(
        figure=singular_values_figure({"class-mean logits": values}),
        caption="Singular values of the class-mean logits at the end of training.",
        description=f"Singular values {', '.join(number(value, digits=3) for value in values.tolist())}.",
        data=Table({"singular_value": values.tolist()}),
    )


def _depth(layers: Sequence[Json]) -> tuple[Picture, ...]:
    """The metrics by layer; none if nothing was measured."""
    if not layers:
        return ()
    columns = {key: [entry[key] for entry in layers] for key in ("layer", *_METRICS)}
    metrics = {
        title: np.array([math.nan if value is None else value for value in columns[key]], dtype=float)
        for key, title in _METRICS.items()
    }
    figure = depth_figure([str(layer) for layer in columns["layer"]], metrics)
    caption = (
        "Neural collapse of what enters each layer of the head, its features first. NC1, NC2 and NC3 are zero at "
        "collapse; a gap is a layer where a metric has no value."
    )
    description = f"{', '.join(metrics)} at {len(layers)} layers."
    return (Picture(figure, caption, description, data=Table(columns)),)
