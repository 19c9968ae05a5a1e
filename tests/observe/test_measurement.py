"""A measurement of a network: what its layers say, and how it is told."""

import html
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from deepcollapse.metrics import collapse_metrics, nc4_agreement
from deepcollapse.observe import Measurement, measure
from deepcollapse.stats import class_moments


def network() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    labels = torch.arange(4).repeat(15)
    return model, torch.eye(4, 6, dtype=torch.float64)[labels] + 0.3 * torch.randn(60, 6, dtype=torch.float64), labels


def measured(**options) -> Measurement:
    model, inputs, labels = network()
    return measure(model, [(inputs[i : i + 20], labels[i : i + 20]) for i in range(0, 60, 20)], **options)


@pytest.mark.parametrize("centre", ["class", "sample"])
def test_every_layer_is_measured_as_if_collected_by_hand(centre):
    model, inputs, labels = network()
    found = measured(centre=centre)
    assert [layer.name for layer in found.layers] == ["0", "2", "4 (input)", "4"]
    with torch.no_grad():
        outputs = {"0": model[:1](inputs), "2": model[:3](inputs), "4 (input)": model[:4](inputs), "4": model(inputs)}
    weight, bias = (p.detach().numpy() for p in model[4].parameters())
    for name, features in outputs.items():
        x, y = features.numpy(), labels.numpy()
        moments, reader = class_moments(x, y, classes=4), {}
        if name == "4 (input)":
            agreement = nc4_agreement(x, means=moments.means, weight=weight, bias=bias)
            reader = {"weight": weight, "bias": bias, "agreement": agreement}
        expected = collapse_metrics(moments, centre=centre, **reader).scalars()
        assert found[name].scalars() == pytest.approx(expected, rel=1e-9, abs=1e-12), name
    assert found.samples == 60
    assert found.accuracy == pytest.approx((outputs["4"].argmax(1) == labels).double().mean().item())


def test_the_same_numbers_in_every_form():
    found = measured()
    table, rows = found.table(), list(found.rows())
    assert table.column_names == ["depth", "layer", "metric", "value"]
    assert table.to_pylist() == rows
    assert {f"{row['layer']}/{row['metric']}": row["value"] for row in rows} | {
        "accuracy": found.accuracy
    } == found.scalars()
    assert [row["depth"] for row in rows] == sorted(row["depth"] for row in rows)
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [layer["name"] for layer in told["layers"]] == [layer.name for layer in found.layers]
    assert told["layers"][2]["metrics"]["nc4"]["agreement"] == found["4 (input)"].nc4.agreement


def test_arrays_are_kept_in_a_file(tmp_path):
    found, file = measured(), tmp_path / "found.safetensors"
    found.save(file)
    with safe_open(file, framework="numpy") as kept:
        assert json.loads(kept.metadata()["measurement"]) == json.loads(json.dumps(found.as_json()))
        for layer in found.layers:
            np.testing.assert_array_equal(kept.get_tensor(f"{layer.name}/means"), layer.moments.means)
            np.testing.assert_array_equal(kept.get_tensor(f"{layer.name}/counts"), layer.moments.counts)
            values = layer.metrics.spectrum.singular_values
            np.testing.assert_array_equal(kept.get_tensor(f"{layer.name}/singular_values"), values)


def test_a_layer_without_differences_says_so():
    model, inputs, labels = network()
    with torch.no_grad():
        model[2].weight.zero_()
    found = measure(model, [(inputs, labels)])
    assert [layer.metrics is None for layer in found.layers] == [False, True, True, True]
    assert all("expected at least two that differ" in text for text in found.warnings)
    with pytest.raises(KeyError, match=r"expected one of \['0'\], but found '2'"):
        found["2"]
    assert {row["layer"] for row in found.rows()} == {"0"}
    assert [layer["metrics"] is None for layer in found.as_json()["layers"]] == [False, True, True, True]


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] in (["td"], ["th"]):
            self.rows[-1].append(data)


def test_a_notebook_shows_a_row_per_layer():
    found, page = measured(), Cells()
    page.feed(found._repr_html_())
    assert page.open == []
    assert [row[0] for row in page.rows[1:]] == [layer.name for layer in found.layers]
    assert page.rows[3][2] == f"{found['4 (input)'].nc1.quotient:.3g}"
    assert page.rows[1][-1] == "-"  # only the classifier's input has NC3


def test_names_are_text_in_html():
    model, inputs, labels = network()
    found = measure(nn.ModuleDict({"a<b>": model})["a<b>"], [(inputs, labels)])
    renamed = Measurement(
        tuple(type(layer)("<i>", layer.moments, layer.metrics, ("<b>",)) for layer in found.layers), 60, None
    )
    assert "<i>" not in renamed._repr_html_()
    assert html.escape("<i>") in renamed._repr_html_()
