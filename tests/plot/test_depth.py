import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import depth_figure
from plot.drawn import cut_off, drawn_texts, overlapping

LAYERS = ["H1", "H2", "H3", "Z"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_one_panel_per_metric_in_layer_order(count):
    metrics = {f"NC{index}": np.arange(4.0) + index for index in range(count)}
    figure = depth_figure(LAYERS, metrics)
    assert len(figure.axes) == count
    for axes, (name, values) in zip(figure.axes, metrics.items(), strict=True):
        assert axes.get_title(loc="left") == name
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
        assert [label.get_text() for label in axes.get_xticklabels()] == LAYERS
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_scale_follows_the_spread():
    kinds = {"wide": [1.0, 0.1, 0.01, 1e-5], "near": [1.0, 0.9, 0.8, 0.7], "zero": [1.0, 0.1, 0.01, 0.0]}
    figure = depth_figure(LAYERS, {name: np.array(values) for name, values in kinds.items()})
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear", "linear"]


def test_missing_values_leave_a_gap():
    values = np.array([1.0, np.nan, np.nan, 2.0])
    axes = depth_figure(LAYERS, {"NC3": values}).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
    depth_figure(LAYERS, {"none": np.full(4, np.nan)})


def test_a_dollar_is_a_dollar():
    figure = depth_figure(["$a", "b$"], {"$\\frac$": np.ones(2)})
    assert {"$a", "b$", "$\\frac$"} <= {text for text, _ in drawn_texts(figure)}


def test_long_layer_names_stay_inside():
    assert cut_off(depth_figure(["features of the backbone", "layer 1", "logits"], {"NC1": np.ones(3)})) == []


def test_refuses_what_does_not_fit():
    with pytest.raises(InvalidInputError, match="at least one layer and one metric, but found 0 and 1"):
        depth_figure([], {"NC1": np.zeros(0)})
    with pytest.raises(InvalidInputError, match="at least one layer and one metric, but found 4 and 0"):
        depth_figure(LAYERS, {})
    with pytest.raises(InvalidInputError, match=r"expected 4 values of 'NC1', one per layer, but found shape \(3,\)"):
        depth_figure(LAYERS, {"NC1": np.ones(3)})
