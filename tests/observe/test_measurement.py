"""A measurement of a network: what its layers say, and how it is told."""

import html
import json
import re
from html.parser import HTMLParser

import jaxtyping
import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from deepcollapse.errors import InvalidInputError, UndefinedError
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
    found, file = measured(), tmp_path / "made" / "found.safetensors"
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
    with pytest.raises(UndefinedError, match=r"^2: class means: expected at least two that differ"):
        found["2"]
    with pytest.raises(KeyError, match=r"layer: expected one of \['0', '2', '4 \(input\)', '4'\], but found 'fc'"):
        found["fc"]
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
    assert page.rows[1][-2:] == ["-", "-"]  # only the classifier's input has NC3 and NC4


def test_printed_it_is_a_table_and_not_its_arrays():
    found = measured(drop_empty=True)
    title, head, *lines = repr(found).splitlines()
    assert title == f"60 samples, accuracy {found.accuracy:.2%}"
    assert head.split()[:3] == ["layer", "d", "nc1/quotient"]
    assert {len(line) for line in lines} == {len(head)}
    assert [line.split("  ")[0] for line in lines] == [layer.name for layer in found.layers]
    assert f"{found['0'].nc1.papyan:.3g}" in lines[0].split()
    assert "array(" not in repr(found.layers[0]).split("metrics=")[0]


def test_classes_without_samples_are_refused_or_dropped():
    model, inputs, labels = network()
    seen = labels != 2
    batches = [(inputs[seen], labels[seen])]
    with pytest.raises(
        InvalidInputError, match=r"none of \[2\]; measure more samples, or drop these classes with drop_"
    ):
        measure(model, batches)
    found = measure(model, batches, drop_empty=True)
    without = nn.Sequential(*model[:4], nn.Linear(8, 3).double())
    kept = [0, 1, 3]
    with torch.no_grad():
        without[4].weight.copy_(model[4].weight[kept])
        without[4].bias.copy_(model[4].bias[kept])
    expected = measure(without, [(inputs[seen], torch.tensor([0, 1, -1, 2])[labels[seen]])])
    for name in ("0", "2", "4 (input)"):
        assert found[name].scalars() == pytest.approx(expected[name].scalars(), rel=1e-9), name
    assert (found.dropped, found.as_json()["dropped"]) == ((2,), [2])
    assert repr(found).splitlines()[-1] == "classes: no samples of [2], dropped; the others are numbered anew"


def test_one_class_is_refused_dropped_or_not():
    model, inputs, labels = network()
    batches = [(inputs[labels == 1], labels[labels == 1])]
    with pytest.raises(InvalidInputError, match=r"none of \[0, 2, 3\]; measure more samples"):
        measure(model, batches)
    with pytest.raises(InvalidInputError, match=r"classes: expected samples of at least 2, but found only of \[1\]"):
        measure(model, batches, drop_empty=True)


def test_a_network_in_which_no_classifier_is_found_says_so():
    model, inputs, labels = network()
    batches = [(inputs, labels)]
    found = measure(nn.Sequential(model, nn.LogSoftmax(dim=1)), batches)
    assert re.match(
        r"classifier: expected logits .* output of a linear layer, .*; NC3 .* classifier=.0.4", found.warnings[0]
    )
    assert found.as_json()["notes"] == list(found.notes) == list(found.warnings)
    named = measure(nn.Sequential(model, nn.LogSoftmax(dim=1)), batches, classifier="0.4")
    assert named.warnings == ()
    assert named["0.4 (input)"].scalars() == pytest.approx(measure(model, batches)["4 (input)"].scalars())


def test_options_are_checked_before_the_data_are_read(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model, inputs, labels = network()
    for options, message in (
        ({"centre": "sampel"}, r'centre: expected "class" or "sample", but found \'sampel\'; choose one'),
        ({"rtol": 1.0}, r"rtol: expected a number from 0 up to 1, but found 1.0; the default is 1e-3"),
    ):
        batches = iter([(inputs, labels)])
        with pytest.raises(InvalidInputError, match=message):
            measure(model, batches, **options)
        assert len(list(batches)) == 1


def test_the_share_of_directions_that_count_is_passed_on():
    values = measured()["0"].spectrum.singular_values
    assert measured(rtol=0.99 * values[1] / values[0])["0"].nc1.rank == 2


def test_rounding_that_hides_directions_is_told():
    _, inputs, labels = network()
    model, inputs = nn.Sequential(nn.Linear(6, 4)), inputs.float()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(4, 6) * torch.tensor([[1.0], [1.0], [0.01], [0.01]]))
    assert not measure(model, [(inputs, labels)])["0"].warnings
    assert measure(model, [(inputs, labels)]).warnings == ()
    found = measure(model.bfloat16(), [(inputs.bfloat16(), labels)])
    assert found["0"].nc1.rank < 3
    assert any("0: nc1: expected directions of the class means beyond the rounding" in text for text in found.warnings)


def test_names_are_text_in_html():
    model, inputs, labels = network()
    found = measure(nn.ModuleDict({"a<b>": model})["a<b>"], [(inputs, labels)])
    renamed = Measurement(
        tuple(type(layer)("<i>", layer.moments, layer.metrics, ("<b>",)) for layer in found.layers), 60, None
    )
    assert "<i>" not in renamed._repr_html_()
    assert html.escape("<i>") in renamed._repr_html_()
