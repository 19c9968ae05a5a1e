import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import losses_figure
from deepcollapse.plot.losses import _piles
from deepcollapse.plot.style import VERMILION
from deepcollapse.ufm import Problem, structures
from plot.drawn import cut_off, drawn_texts, overlapping

PROBLEM = Problem(classes=10, samples=5, layers=2, width=70)
LEVELS = {one.name: one.loss for one in structures(PROBLEM)}
BOUND = LEVELS["simplex"]
ENDS = np.array([LEVELS["paired"]] * 40 + [LEVELS["partition-2-8"]] * 5 + [BOUND] * 12)


def horizontals(figure):
    """Heights of the level lines, and of those drawn in the bound's colour."""
    lines = [line for line in figure.axes[0].lines if np.ptp(line.get_ydata()) == 0 and line.get_linewidth() > 1]
    of_bound = [line for line in lines if to_hex(line.get_color()) == VERMILION]
    heights = sorted(line.get_ydata()[0] for line in lines if line not in of_bound)
    return heights, [line.get_ydata()[0] for line in of_bound]


def bars(figure):
    """Loss -> number of runs, read off the bars and the axis that counts them."""
    axes = figure.axes[0]
    unit = axes.get_xticks()[1] / int(axes.get_xticklabels()[1].get_text().replace(",", ""))
    return {bar.get_y() + bar.get_height() / 2: round(bar.get_width() / unit) for bar in axes.patches}


def texts(figure):
    return [text for text, _ in drawn_texts(figure)]


def test_levels_and_bound_are_where_the_losses_are():
    figure = losses_figure(LEVELS, ENDS, bound=BOUND)
    inside, of_bound = horizontals(figure)
    assert inside == sorted(loss for loss in LEVELS.values() if loss < 0.11)
    assert of_bound == [BOUND]
    assert "DNC bound" in texts(figure)
    assert {name for name, loss in LEVELS.items() if loss < 0.11} <= set(texts(figure))
    assert "above this range: circle 0.142, zero 2.303" in texts(figure)


def test_endpoints_are_counted_where_they_end():
    found = bars(losses_figure(LEVELS, ENDS, bound=BOUND))
    assert list(found.values()) == [40, 5, 12]
    np.testing.assert_allclose(list(found), [LEVELS["paired"], LEVELS["partition-2-8"], BOUND], rtol=1e-12)


def test_endpoints_beyond_the_axis_are_named():
    figure = losses_figure(LEVELS, np.append(ENDS, 2.3), bound=BOUND)
    assert "above this range: circle 0.142, zero 2.303, 1 endpoint up to 2.3" in texts(figure)
    assert sum(bars(figure).values()) == ENDS.size


def test_the_axis_holds_half_of_the_endpoints():
    figure = losses_figure(LEVELS, np.append(np.full(9, 2.3025), 0.08), bound=BOUND)
    assert figure.axes[0].get_ylim()[1] > 2.3025
    assert sum(bars(figure).values()) == 10
    assert overlapping(figure) == []


@settings(max_examples=10)
@given(
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=14),
    st.lists(st.floats(0.01, 3.0), max_size=40),
    st.none() | st.floats(0.01, 3.0),
)
def test_nothing_is_lost_or_covered(losses, ends, bound):
    levels = {f"structure-{index}": loss for index, loss in enumerate(losses)}
    figure = losses_figure(levels, np.array(ends, dtype=float), bound=bound)
    shown = texts(figure)
    beyond = next((text for text in shown if text.startswith("above")), "")
    assert all(name in shown or f"{name} " in beyond for name in levels)
    counted = sum(bars(figure).values())
    assert counted == len(ends) or f"{len(ends) - counted} endpoint" in beyond
    assert overlapping(figure) == []


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40), max_size=30), st.floats(0.1, 9.0))
def test_piles_keep_all_runs_and_are_narrow(numbers, span):
    runs = np.sort(np.array(numbers, dtype=float))
    means, counts = _piles(runs, span)
    assert sum(counts) == runs.size
    groups = np.split(runs, np.cumsum(counts)[:-1]) if counts else []
    for mean, group in zip(means, groups, strict=True):
        assert np.ptp(group) <= span
        assert mean == pytest.approx(group.mean())


@pytest.mark.parametrize("count", [1, 3, 13, 15])
@pytest.mark.parametrize("ends", [None, ENDS])
def test_labels_do_not_touch(count, ends):
    figure = losses_figure(dict(list(LEVELS.items())[:count]), ends, bound=BOUND)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_long_names_fit():
    levels = {"partition-" + "-".join("2" * 6): 0.1, "paired": 0.1, "partition-2-2-2-2-4": 0.1}
    figure = losses_figure(levels, np.full(3, 0.1), bound=0.1)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_without_a_bound_no_bound_is_drawn():
    figure = losses_figure({"zero": 2.3}, bound=None)
    assert horizontals(figure) == ([2.3], [])
    assert "DNC bound" not in texts(figure)


def test_refuses_what_is_no_loss():
    with pytest.raises(InvalidInputError, match="levels: expected at least one, but found none"):
        losses_figure({}, bound=1.0)
    for levels, ends, bound in (
        ({"a": np.inf}, None, 1.0),
        ({"a": 1.0}, np.array([np.nan]), 1.0),
        ({"a": 1.0}, None, np.nan),
    ):
        with pytest.raises(InvalidInputError, match="losses: expected finite numbers, but found NaN or infinity"):
            losses_figure(levels, ends, bound=bound)
