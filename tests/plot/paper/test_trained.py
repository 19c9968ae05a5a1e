import dataclasses

import numpy as np
import pytest

from deepcollapse.plot.paper.planned import planned_runs, plans_to_draw
from deepcollapse.plot.paper.trained import network_runs


@pytest.fixture
def runs(store):
    return planned_runs(store, plans_to_draw(store)[0], ("E4", "E6"))


def with_rows(runs, rows):
    return dataclasses.replace(runs, rows=rows)


def test_seeds_of_one_setting_are_together(runs):
    (found,), left_out = network_runs(runs.only(decay_kind="ufm"), most=3)
    assert (found.name, left_out) == ("digits, MLP", "")
    assert [run.seed for run in found.runs] == [0, 1]
    row = runs.rows[0]
    assert (found.bound, found.exact, found.best) == (row["dnc_loss"], True, row["best_structure_loss"])
    assert not found.runs[0].converged


def test_trajectories_are_those_of_the_store(runs):
    (found,), _ = network_runs(runs.only(decay_kind="ufm"), most=3)
    arrays = runs.store.run(runs.ids[0]).arrays
    np.testing.assert_array_equal(found.runs[0].objective, arrays["trajectory/objective"])
    np.testing.assert_array_equal(found.runs[0].logits, arrays["logits"])
    values = arrays["trajectory/singular_values"][-1]
    assert found.runs[0].rank == (values > 1e-3 * values.max()).sum()
    assert found.runs[0].rank_paper == (values > 1e-6).sum()


def test_a_bound_under_standard_decay_is_an_estimate(runs):
    (found,), _ = network_runs(runs.only(decay_kind="standard"), most=2)
    assert not found.exact


def test_the_first_setting_of_each_network_goes_first(runs):
    rows = runs.rows[:2]
    wide = [row | {"width": 256} for row in rows]
    resnet = [row | {"backbone": "resnet20", "source": "cifar10", "part": "E5", "gain": 2.0} for row in rows]
    found, left_out = network_runs(with_rows(runs, [*resnet, *rows, *wide]), most=2)
    assert [one.name for one in found] == ["digits, MLP", "CIFAR-10, ResNet-20"]
    assert left_out == "2 runs of 1 other settings are not shown."
    found, left_out = network_runs(with_rows(runs, [*resnet, *rows, *wide]), most=3)
    assert [one.name for one in found] == ["digits, MLP, d = 12", "digits, MLP, d = 256", "CIFAR-10, ResNet-20"]
    assert left_out == ""


@pytest.mark.parametrize(
    ("part", "source", "name"),
    [
        ("E5", "file", "CIFAR-10"),
        ("E7-mnist-relu", "file", "MNIST"),
        ("E9", "file", "images"),
        ("E4", "mnist", "MNIST"),
    ],
)
def test_images_in_a_file_are_named_after_the_part(runs, part, source, name):
    rows = [row | {"source": source, "part": part} for row in runs.rows[:1]]
    assert network_runs(with_rows(runs, rows), most=1)[0][0].name == f"{name}, MLP"
