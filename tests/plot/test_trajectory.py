import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import trajectory_figure
from plot.drawn import cut_off, drawn_texts, overlapping

STEP = np.arange(0, 5001, 100)
OBJECTIVE = 0.19 + 2 * np.exp(-STEP / 400)
VALUES = np.stack([np.exp(-STEP / (200.0 * index)) * 30 for index in range(1, 6)], axis=1)


def drawn(**changes):
    return trajectory_figure(STEP, OBJECTIVE, VALUES, **({"bound": 0.2422} | changes))


def test_shows_the_run():
    upper, lower = drawn(best=("T5", 0.185)).axes
    run = next(line for line in upper.lines if line.get_label() == "objective")
    np.testing.assert_array_equal(run.get_xdata(), STEP)
    np.testing.assert_array_equal(run.get_ydata(), OBJECTIVE)
    levels = {line.get_label(): line.get_ydata()[0] for line in upper.lines if line is not run}
    assert levels == {"DNC bound 0.2422": 0.2422, "T5 0.185": 0.185}
    np.testing.assert_array_equal(
        np.stack([line.get_ydata() for line in lower.lines], axis=1), np.sort(VALUES)[:, ::-1]
    )
    assert lower.get_yscale() == "log"


def test_levels_that_do_not_exist_are_not_drawn():
    assert [line.get_label() for line in drawn(bound=None).axes[0].lines] == ["objective"]


def test_zero_singular_values_leave_a_gap():
    lower = trajectory_figure(STEP, OBJECTIVE, np.zeros((STEP.size, 2)), bound=0.2).axes[1]
    assert all(np.isnan(line.get_ydata()).all() for line in lower.lines)


@pytest.mark.parametrize(
    ("wrong", "start"), [([0.3, 0.0, 0.1, 0.0, 0.0], 3), ([0.0] * 5, 0), ([0.3, 0.0, 0.0, 0.0, 0.1], None)]
)
def test_marks_where_the_training_error_stays_zero(wrong, start):
    step, values = np.arange(5) * 10, np.ones((5, 2))
    figure = trajectory_figure(step, np.linspace(2, 1, 5), values, bound=0.5, train_error=np.array(wrong))
    verticals = [line.get_xdata() for line in figure.axes[1].lines if line.get_xdata()[0] == line.get_xdata()[-1]]
    assert verticals == ([] if start is None else [[10 * start, 10 * start]])
    assert ("training error 0 from here" in dict(drawn_texts(figure))) == (start is not None)


@pytest.mark.parametrize("objective", [OBJECTIVE, np.linspace(0.2423, 0.2421, STEP.size)])
def test_labels_do_not_touch(objective):
    figure = trajectory_figure(STEP, objective, VALUES, bound=0.2422, best=("partition-2-2-2-4", 0.2421))
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_axis_of_the_steps_follows_the_looks():
    crowded = np.unique(np.geomspace(1, 5000, STEP.size).round().astype(int))
    crowded = np.concatenate([[0], crowded])
    figure = trajectory_figure(crowded, np.exp(-crowded / 900), np.ones((crowded.size, 2)), bound=0.5)
    assert [axes.get_xscale() for axes in figure.axes] == ["symlog", "symlog"]
    assert overlapping(figure) == []
    assert {"0", "1", "10", "100", "1,000"} <= set(dict(drawn_texts(figure)))
    assert drawn().axes[0].get_xscale() == "linear"


def test_one_look_is_enough():
    figure = trajectory_figure(np.array([7]), np.array([1.0]), np.ones((1, 3)), bound=0.5)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [7]


def test_refuses_what_is_no_trajectory():
    with pytest.raises(InvalidInputError, match="trajectory: expected at least one step, but found none"):
        trajectory_figure(np.zeros(0, dtype=int), np.zeros(0), np.zeros((0, 2)), bound=1.0)
    for objective, bound in ((np.array([np.nan]), 1.0), (np.array([-1.0]), 1.0), (np.array([1.0]), np.inf)):
        with pytest.raises(
            InvalidInputError, match="trajectory: expected finite losses > 0, but found one that is not"
        ):
            trajectory_figure(np.array([1]), objective, np.ones((1, 2)), bound=bound)
