import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from deepcollapse.plot.paper.marks import MARKS, marks, note, power_of_two, step_axis, titles, two_axis, width_axis


def ticks(axes):
    FigureCanvasAgg(axes.figure).draw()
    low, high = axes.get_xlim()
    return [t.get_text() for t, x in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True) if low <= x <= high]


def test_marks_differ_in_everything_but_size():
    assert len({one.color for one in MARKS}) == len({one.marker for one in MARKS}) == len(MARKS)
    assert len({str(one.line) for one in MARKS}) == len(MARKS)


@pytest.mark.parametrize("count", [1, 5, 6, 9])
def test_there_are_marks_for_any_number_of_curves(count):
    found = marks(count)
    assert len(found) == len({one.color for one in found}) == count
    assert len({(one.marker, str(one.line)) for one in found}) == count
    light = [np.dot(to_rgb(one.color), [0.2126, 0.7152, 0.0722]) for one in found]
    assert count <= 5 or light == sorted(light, reverse=True)


def test_marks_are_dark_enough_for_grey_print():
    assert all(np.dot(to_rgb(one.color), [0.2126, 0.7152, 0.0722]) < 0.6 for one in MARKS)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0**-10, "2⁻¹⁰"), (1.0, "2⁰"), (0.3, "0.3"), (5e-05, "5e-05"), (0.0, "0")]
)
def test_powers_of_two(value, text):
    assert power_of_two(value) == text


def test_an_axis_of_powers_has_whole_ones():
    axes = Figure().subplots()
    two_axis(axes, 2.0 ** np.arange(-14, -5))
    assert ticks(axes) == ["2⁻¹⁴", "2⁻¹²", "2⁻¹⁰", "2⁻⁸", "2⁻⁶"]
    two_axis(axes, np.array([0.001]))
    assert ticks(axes) == ["2⁻¹⁰"]


def test_widths_have_ticks_of_their_own():
    axes = Figure().subplots()
    width_axis(axes, np.array([40.0, 10.0, 20.0, 140.0, 70.0, 10.0]))
    assert axes.get_xscale() == "log"
    assert ticks(axes) == ["10", "20", "40", "70", "140"]
    for widths in (np.array([64.0, 70.0]), np.array([64.0])):
        axes = Figure().subplots()
        width_axis(axes, widths)
        assert axes.get_xscale() == "linear"
        assert ticks(axes) == [f"{width:g}" for width in widths]


def test_of_many_widths_few_are_named():
    axes = Figure().subplots()
    width_axis(axes, np.arange(10.0, 31.0))
    assert len(ticks(axes)) <= 7
    assert ticks(axes)[-1] == "30"


def test_steps_are_logarithmic_where_looks_crowd_at_the_start():
    for steps, scale in ((np.geomspace(1, 1000, 20).astype(int), "symlog"), (np.arange(0, 1001, 50), "linear")):
        axes = Figure().subplots()
        step_axis(axes, steps)
        assert axes.get_xscale() == scale
        assert axes.get_xlim() == (0, 1000)
    axes = Figure().subplots()
    step_axis(axes, np.array([0]))
    assert axes.get_xlim() == (0, 1)


def test_many_steps_are_counted_in_thousands():
    axes = Figure().subplots()
    step_axis(axes, np.arange(0, 60001, 5000))
    assert "60k" in ticks(axes)


def test_a_note_is_wrapped_to_the_figure():
    figure = Figure(figsize=(3.0, 2.0), layout="constrained")
    note(figure, " ".join(["word"] * 40), "", "second")
    lines = figure.get_supxlabel().split("\n")
    assert max(map(len, lines)) <= math.floor(3.0 * 17)
    assert lines[-1] == "second"
    silent = Figure()
    note(silent, "")
    assert silent.get_supxlabel() == ""


def test_a_subtitle_stands_below_its_title():
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    titles(axes, "above", "below")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    upper = axes._left_title.get_window_extent(renderer)
    lower = axes.texts[0].get_window_extent(renderer)
    assert lower.y1 <= upper.y0 + 1
    assert lower.y0 >= axes.get_window_extent(renderer).y1
