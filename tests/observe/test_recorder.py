"""Recorder and series: what is remembered, what is not, and the order of steps."""

import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from deepcollapse.errors import InvalidInputError
from deepcollapse.observe import recorder as recording
from deepcollapse.observe.recorder import MeasurementSeries, Recorder
from deepcollapse.stats import ClassMoments
from integrations.measured import measurement


def series(*steps: int) -> MeasurementSeries:
    found = MeasurementSeries()
    for step in steps:
        found = found.followed_by(step, measurement(step))
    return found


def held(value: object, seen: set[int] | None = None):
    """Every object that a value keeps alive through fields, slots and containers."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    inner = list(value) if isinstance(value, tuple | list) else []
    inner += list(value.values()) if isinstance(value, dict) else []
    inner += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    for part in inner:
        yield from held(part, seen)


def test_rows_are_those_of_the_measurements():
    expected = [{"step": step, **row} for step in (0, 5, 70) for row in measurement(step).rows()]
    assert len(expected) > 60
    assert list(series(0, 5, 70).rows()) == expected
    assert {row["layer"] for row in expected} == {"0", "2 (input)"}


def test_the_table_has_the_rows():
    found = series(3, 4)
    table = found.table()
    assert table.to_pylist() == list(found.rows())
    assert [str(kind) for kind in table.schema.types] == ["int64", "int64", "string", "string", "double"]
    assert MeasurementSeries().table().schema == table.schema


def test_json_has_the_measurements_of_the_steps():
    found = json.loads(json.dumps(series(1, 2).as_json()))
    assert found == json.loads(json.dumps([{"step": step, **measurement(step).as_json()} for step in (1, 2)]))
    assert found[0]["layers"][2] == {"name": "2", "metrics": None, "warnings": ["all class means are equal"]}


def test_singular_values_are_kept_and_moments_are_not():
    found = series(0, 1)
    kept = found.measurements[1].layers[0].metrics.spectrum.singular_values
    np.testing.assert_array_equal(kept, measurement(1)["0"].spectrum.singular_values)
    parts = list(held(found))
    assert any(part is kept for part in parts)
    assert not any(isinstance(part, ClassMoments) for part in parts)
    assert any(isinstance(part, ClassMoments) for part in held(measurement(1)))
    assert max(part.size for part in parts if isinstance(part, np.ndarray)) <= 4


def test_a_series_does_not_change():
    first = series(0)
    second = first.followed_by(1, measurement(1))
    assert (first.steps, second.steps) == ((0,), (0, 1))
    assert second.measurements[0] is first.measurements[0]
    assert pickle.loads(pickle.dumps(second)).steps == (0, 1)


def test_steps_increase():
    with pytest.raises(InvalidInputError, match="step: expected one that is not measured yet, but found 5 again; look"):
        series(0, 5).followed_by(5, measurement())
    with pytest.raises(InvalidInputError, match="step: expected more than 5, the last one, but found 4; count steps"):
        series(0, 5).followed_by(4, measurement())
    with pytest.raises(InvalidInputError, match="step: expected more than 2, the last one, but found 1"):
        MeasurementSeries((0, 2, 1, 3), series(0, 1, 2, 3).measurements)
    with pytest.raises(InvalidInputError, match="measurements: expected one for each of 2 steps, but found 1; pass"):
        MeasurementSeries((0, 1), series(0).measurements)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch):
    """Calls of ``measure``, which is not run."""
    calls = []

    def fake(model, loader, **options):
        calls.append((model, list(loader), options))
        return measurement(len(calls))

    monkeypatch.setattr(recording, "measure", fake)
    return calls


def test_a_look_measures_and_remembers(measured):
    model, loader = nn.Linear(2, 3), [1, 2]
    recorder = Recorder(model, loader, layers=["fc"], centre="sample")
    before = recorder.series()
    looks = [recorder.look(step) for step in (10, 20)]
    assert measured == [(model, [1, 2], {"layers": ["fc"], "centre": "sample"})] * 2
    assert looks[1].scalars() == measurement(2).scalars()
    assert looks[1].layers[0].moments.total == 30
    assert (before.steps, recorder.series().steps) == ((), (10, 20))
    assert recorder.series().as_json()[1] == {"step": 20, **measurement(2).as_json()}


@pytest.mark.parametrize("step", [10, 9])
def test_a_wrong_step_costs_no_measurement(measured, step: int):
    recorder = Recorder(nn.Linear(2, 3), [])
    recorder.look(10)
    with pytest.raises(InvalidInputError, match="step: expected"):
        recorder.look(step)
    assert (len(measured), recorder.series().steps) == (1, (10,))


def test_an_iterator_is_refused(measured):
    with pytest.raises(InvalidInputError, match=r"loader: expected .* at every look, .*iterator generator, .*pass a l"):
        Recorder(nn.Linear(2, 3), (batch for batch in [1])).look(0)
    assert measured == []


def test_a_network_that_trains_is_seen_to_change():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    labels = torch.arange(3).repeat(20)
    inputs = torch.eye(3, 4)[labels] + 0.3 * torch.randn(60, 4)
    recorder, loss = Recorder(model, [(inputs, labels)], layers=["0"]), nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    recorder.look(0)
    for _ in range(100):
        optimiser.zero_grad()
        loss(model(inputs), labels).backward()
        optimiser.step()
    found = recorder.look(100)
    rows = [row for row in recorder.series().rows() if row["layer"] == "0" and row["metric"] == "nc1/quotient"]
    assert [row["step"] for row in rows] == [0, 100]
    assert rows[1]["value"] == found["0"].nc1.quotient
    assert rows[1]["value"] != rows[0]["value"]
    first, last = (look.accuracy for look in recorder.series().measurements)
    assert last > first
    assert model.training


@pytest.mark.parametrize(
    "step", [7, np.int64(7), np.uint8(7), torch.tensor(7), torch.tensor([7]), np.array(7)], ids=repr
)
def test_whole_numbers_of_every_kind_are_steps(measured, step):
    recorder = Recorder(nn.Linear(2, 3), [])
    recorder.look(step)
    steps = recorder.series().steps
    assert steps == (7,)
    assert type(steps[0]) is int
    assert json.loads(json.dumps(recorder.series().as_json()[0]["step"])) == 7
    assert recorder.series().table()["step"].to_pylist()[0] == 7


@pytest.mark.parametrize(
    "step",
    [0.5, 1.0, "1", None, np.float64(2), torch.tensor(0.5), torch.arange(2), object(), 2**63],
    ids=lambda step: type(step).__name__,
)
def test_what_a_table_cannot_hold_is_no_step(measured, step):
    with pytest.raises(InvalidInputError, match=r"step: expected a (whole )?number"):
        Recorder(nn.Linear(2, 3), []).look(step)
    with pytest.raises(InvalidInputError, match=r"step: expected a (whole )?number"):
        series(0).followed_by(step, measurement())
    assert measured == []
