"""Figures of measured networks."""

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import Recorder, measure
from deepcollapse.plot import measurement_figure, training_figure
from plot.drawn import cut_off, overlapping

TITLES = {"nc1/quotient": "quotient", "nc2/equinorm_means": "norms"}


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3))
    labels = torch.arange(3).repeat(10)
    return model, [(torch.eye(3, 5)[labels] + 0.1 * torch.randn(30, 5), labels)]


def test_a_panel_shows_every_layer():
    model, batches = network()
    found = measure(model, batches)
    figure = measurement_figure(found, metrics=TITLES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(TITLES.values())
    expected = [layer.metrics.nc1.quotient for layer in found.layers]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), expected)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "2", "4 (input)", "4"]
    assert cut_off(measurement_figure(found)) == []


def test_a_line_is_a_layer_through_training():
    model, batches = network()
    recorder = Recorder(model, batches)
    for step in (0, 10, 30):
        recorder.look(step)
        with torch.no_grad():
            model[0].weight.mul_(1.5)
    figure = training_figure(recorder.series(), layers=["0", "4"], metrics=TITLES)
    steps, values = figure.axes[1].lines[0].get_data()
    expected = [
        row["value"] for row in recorder.series().rows() if (row["layer"], row["metric"]) == ("0", "nc2/equinorm_means")
    ]
    assert list(steps) == [0, 10, 30]
    np.testing.assert_array_equal(values, expected)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "4"]
    assert (overlapping(figure), cut_off(figure)) == ([], [])


def deep_network(layers: int):
    torch.manual_seed(0)
    model, batches = network()
    middle = [nn.Linear(7, 7) for _ in range(layers - 1)]
    for layer in middle:
        nn.init.orthogonal_(layer.weight)
    return nn.ModuleDict({"a_backbone_with_a_name": nn.Sequential(model[0], nn.Linear(8, 7), *middle)}), batches


def test_names_of_many_layers_do_not_cover_each_other():
    model, batches = deep_network(29)
    options = {"forward": lambda model, batch: model["a_backbone_with_a_name"](batch[0]), "classes": 7}
    found = measure(model, batches, drop_empty=True, **options)
    figure = measurement_figure(found)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) == len(found.layers) == 31
    assert [label for label in labels if label][-1] == labels[-1] == "…29"
    assert len([label for label in labels if label]) <= 9
    assert cut_off(figure) == []
    axes = figure.axes[0]
    named = [tick for tick, label in zip(axes.get_xticks(), labels, strict=True) if label]
    points = axes.transData.transform([(tick, 1.0) for tick in named])[:, 0]
    sample = axes.get_xticklabels()[0]
    lines = np.diff(points) * np.sin(np.radians(sample.get_rotation()))  # distance between lines of rotated text
    assert lines.min() > sample.get_size() * figure.dpi / 72


def test_ranks_and_steps_have_ticks_at_whole_numbers():
    model, batches = network()
    recorder = Recorder(model, batches)
    for step in (0, 1, 2):
        recorder.look(step)
    metrics = {"nc1/rank": "rank"}
    for figure in (
        measurement_figure(recorder.look(3), metrics=metrics),
        training_figure(recorder.series(), metrics=metrics),
    ):
        assert all(tick == round(tick) for tick in figure.axes[0].get_yticks())
        low, high = figure.axes[0].get_ylim()
        assert low < 2 < high
    assert all(tick == round(tick) for tick in figure.axes[0].get_xticks())


def test_unknown_names_are_refused():
    model, batches = network()
    recorder = Recorder(model, batches)
    recorder.look(0)
    with pytest.raises(InvalidInputError, match=r"figure: expected names among .*, but found \['nc9'\]"):
        measurement_figure(measure(model, batches), metrics={"nc9": "?"})
    with pytest.raises(InvalidInputError, match=r"expected names among \['0', '2', .*but found \['9'\]"):
        training_figure(recorder.series(), layers=["9"])
    with pytest.raises(InvalidInputError, match="but found none"):
        training_figure(recorder.series(), metrics={})
