import json

import numpy as np
import pytest
from hypothesis import given, settings

from deepcollapse.theory import overview
from deepcollapse.ufm import Problem, collapse
from theory.oracle import sizes

DNC = ["exists", "critical", "scale", "loss", "rank", "decay_max", "stable", "stable_scale_min", "stable_decay_max"]
POINT = ["name", "rank", "scale", "loss", "singular_values", "critical", "origin"]


@settings(max_examples=8)
@given(sizes(most_classes=6))
def test_any_problem_has_an_overview_in_json(chosen):
    found = overview(Problem(**chosen), rigorous=True)
    data = found.as_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data["dnc"]) == DNC
    assert list(data["theorems"]) == ["T1", "T2", "T3", "T4", "T5", "T6", "T7"]
    assert all({"applies", "holds"} <= set(entry) for entry in data["theorems"].values())
    assert list(data["dimension"]) == ["rank", "dnc", "low_rank", "ratio", "ratio_limit"]
    losses = [point["loss"] for point in data["structures"]]
    assert losses == sorted(losses)
    assert all(list(point) == POINT for point in data["structures"])
    assert all(point["rank"] <= data["problem"]["width"] for point in data["structures"])
    assert data["best"] == data["structures"][0]["name"]
    assert (data["dnc"]["loss"] is not None) == data["dnc"]["exists"]
    assert data["certificate"]["verified"] in (True, False)


def test_reference_problem():
    found = overview(Problem(classes=10, layers=2, samples=5, width=70))
    data = found.as_json()
    assert data["problem"] == {
        "classes": 10,
        "layers": 2,
        "samples": 5,
        "decay": 2.0**-10,
        "loss": "ce",
        "activation": "linear",
        "width": 70,
    }
    assert data["dnc"]["scale"] == pytest.approx(7.0375384944, abs=5e-11)
    assert data["dnc"]["loss"] == pytest.approx(0.090662183213, abs=5e-13)
    assert data["dnc"]["decay_max"] == pytest.approx(0.050445672, abs=5e-10)
    assert (data["dnc"]["exists"], data["dnc"]["stable"], data["dnc"]["rank"]) == (True, True, 9)
    rows = {row["name"]: row for row in data["structures"]}
    assert rows["paired"]["scale"] == pytest.approx(7.0470486883, abs=5e-11)
    assert rows["paired"]["loss"] == pytest.approx(0.080012659245, abs=5e-13)
    for name, loss in (("T5", 0.081432), ("partition-2-2-2-4", 0.083460), ("partition-2-8", 0.088433)):
        assert rows[name]["loss"] == pytest.approx(loss, abs=5e-7)
    assert isinstance(rows["paired"]["scale"], float)
    assert len(rows["partition-2-8"]["scale"]) == 2
    assert data["best"] == "paired"
    assert "certificate" not in data
    assert "baseline" not in data
    assert data["notes"] == []


def test_ten_classes_three_layers_have_a_best_point_without_a_name():
    found = overview(Problem(classes=10, layers=3))
    assert found.best == "unnamed-rank-3"
    assert found.points[0].loss == pytest.approx(0.0398087156, abs=5e-11)
    assert found.points[0].singular_values == pytest.approx((42.2099, 42.2099, 37.0542), abs=5e-5)
    assert found.points[1].name == "T5"
    assert found.points[1].loss == pytest.approx(0.040248, abs=5e-7)


def test_zero_overtakes_collapse_before_collapse_ends():
    problem = Problem(classes=10, layers=2, samples=5)
    note = "DNC has a higher loss than Z = 0, whose loss is 2.30258509"
    assert collapse(problem.replace(decay=0.04125)).loss < np.log(10)
    late = overview(problem.replace(decay=0.04127))
    assert note in late.notes
    assert late.as_json()["dnc"]["exists"]


def test_decay_above_the_limit():
    found = overview(Problem(classes=10, layers=2, samples=5, decay=0.2), rigorous=True)
    assert found.as_json()["dnc"]["exists"] is False
    assert found.best == "zero"
    assert found.notes == (
        "decay: expected at most 0.0504456722 for DNC to exist, but found 0.2; lower the decay",
        "Z = 0 is the lowest point known at this decay; lower the decay",
    )
    assert (found.refutation.verified, found.refutation.competitor) == (True, "zero")
    assert found.refutation.reason.startswith("there is no DNC point at this decay; proven at decay 0.2 = ")
    assert found.counts.dnc is None


def test_narrow_networks():
    found = overview(Problem(classes=10, layers=2, width=6))
    assert found.notes == (
        "width: expected at least K = 10 for the theorems, but found 6; "
        "statements about structures of rank <= 6 still hold",
    )
    assert found.as_json()["dnc"]["exists"] is False
    assert max(point.rank for point in found.points) <= 6
    assert not any(certificate.applies for certificate in found.theorems.values())


def test_collapse_fits_one_unit_less_than_the_theorems_assume():
    found = overview(Problem(classes=10, layers=2, width=9))
    assert found.notes == (
        "width: expected at least K = 10 for the theorems, but found 9; "
        "statements about structures of rank <= 9 still hold, DNC of rank 9 among them",
    )
    assert found.as_json()["dnc"]["exists"] is True


def test_one_layer_adds_the_baseline():
    data = overview(Problem(classes=6, layers=1)).as_json()
    assert data["baseline"]["holds"] is True
    assert data["best"] == "simplex"


def test_relu():
    found = overview(Problem(classes=10, layers=3, activation="relu"), rigorous=True)
    assert [point.name for point in found.points] == ["relu-T5", "relu-pairs", "zero"]
    assert found.points[0].loss == pytest.approx(0.0503850, abs=5e-8)
    assert found.dnc.point.loss == pytest.approx(0.0527314, abs=5e-8)
    assert not found.points[0].critical
    assert found.refutation.verified
    assert "a lower bound; structures are explicit networks" in found.notes[0]


def test_squared_error():
    found = overview(Problem(classes=6, layers=2, loss="mse", decay=0.01))
    assert found.best == "orthogonal-frame"
    assert found.dnc.rank == 6
    assert not any(certificate.applies for certificate in found.theorems.values())
    assert "the theorems do not apply" in found.notes[0]


def test_class_imbalance():
    data = overview(Problem(classes=4, layers=4, samples=(10, 10, 2, 2))).as_json()
    assert data["imbalance"]["holds"] is True
    assert data["best"].startswith("descended from ")
    assert data["structures"][0]["loss"] <= data["imbalance"]["numbers"]["competitor_loss"]
    assert data["dnc"]["loss"] < next(s["loss"] for s in data["structures"] if s["name"] == "seli")
    assert data["dnc"]["decay_max"] is None
    assert "see imbalance" in data["notes"][0]


@pytest.mark.slow
def test_a_thousand_classes():
    data = overview(Problem(classes=1000, layers=3, width=4096)).as_json()
    assert data["theorems"]["T4"]["holds"] is False
    assert data["theorems"]["T1"]["holds"] is True
    assert data["dimension"]["dnc"]["exact"] == 10777212
