"""What the charts of networks say, of runs with a bound, with an estimate of it, and with none."""

from typing import Any

import pytest

from report.site.browserless import evaluated

SCRIPTS = ("numbers", "structure_names", "columns", "runs_data", "chart_axes", "network_charts")
EXPRESSION = """(site.data = given, [[0, 1, 2, 3], [0, 3]].map((runs) => {
  const chart = site.networkCharts.objectives(runs, { x: "", by: "" });
  const [, networks] = chart.traces(() => "rgb(0, 0, 0)");
  return { ...chart, layout: null, y: networks.y, text: networks.text };
}))"""
RESULTS = {
    "loss": [0.3, 0.9, 0.2, 0.5],
    "feature_model_objective": [0.3, 0.2, 0.2, 0.5],
    "dnc_loss": [0.4, 0.25, 0.25, 0.4],
    "bound": ["exact", "balanced estimate", "one-layer frame, no bound", "exact"],
    "below_bound": [True, True, None, False],
}


def charts() -> Any:
    train = {
        "ids": list("abcd"),
        "parts": {"all": [], "count": 4},
        "settings": {},
        "results": {name: {"values": cells} for name, cells in RESULTS.items()},
    }
    return evaluated(SCRIPTS, EXPRESSION, {"kinds": {"train": train}})


def test_only_bounds_are_held_against_the_whole_objective():
    chart, exact = charts()
    assert chart["y"] == pytest.approx([0.75, 0.8, 0.8, 1.25])
    assert exact["y"] == pytest.approx([0.75, 1.25])
    assert [text.partition("<br>")[0] for text in chart["text"]] == [
        "objective 0.3, bound 0.4",
        "objective 0.2, balanced estimate 0.25",
        "objective 0.2, one-layer frame, no bound 0.25",
        "objective 0.5, bound 0.4",
    ]


def test_networks_below_their_bound_are_counted_by_their_verdict():
    chart, exact = charts()
    assert "the line at 1. 2 of 3 networks end below it." in chart["caption"]
    assert "1 of 2 networks end below it." in exact["caption"]
    remark = "Where the line is an estimate or no bound, the objective is that of features and head alone"
    assert remark in chart["caption"]
    assert remark not in exact["caption"]
    columns = dict(chart["table"]["columns"])
    assert columns["feature_model_objective"] == RESULTS["feature_model_objective"]
    assert columns["below_bound"] == RESULTS["below_bound"]
