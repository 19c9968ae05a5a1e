import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepcollapse.plot import logits_figure, style
from deepcollapse.plot.style import BLUE, FAINT, INK, log_ticks, power_of_ten


def test_the_look_ends_with_its_block():
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["text.color"] == INK
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(ZeroDivisionError), style():
        _ = 1 / 0
    assert dict(matplotlib.rcParams) == before


def test_drawing_leaves_no_global_state():
    before = dict(matplotlib.rcParams)
    logits_figure([np.eye(3)])
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_loaded():
    code = (
        "import sys, numpy as np; from deepcollapse.plot import logits_figure; logits_figure([np.eye(3)]); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"


def test_ticks_keep_the_look_outside_its_block():
    figure = logits_figure([np.diag([7.0, 3.0])])
    bar = figure.axes[1]
    bar.set_ylim(-1.0, 1.0)  # other ticks than those of the first drawing
    FigureCanvasAgg(figure).draw()
    assert {label.get_fontsize() for label in bar.get_yticklabels()} == {8.5}
    assert {label.get_color() for label in bar.get_yticklabels()} == {FAINT}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (1000.0, "1,000"), (1e4, "10⁴"), (0.1, "10⁻¹"), (1e-12, "10⁻¹²"), (1e10, "10¹⁰")],
)
def test_powers_of_ten(value, text):
    assert power_of_ten(value) == text


@pytest.mark.parametrize(("low", "high"), [(0.2, 2.0), (15.0, 300.0), (1e-8, 30.0), (1.0, 1e9)])
def test_logarithmic_axes_have_two_plain_labels_at_least(low, high):
    axes = Figure().subplots()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, decades=np.log10(high / low))
    places = [place for place in axes.get_yticks() if low <= place <= high]
    assert len(places) >= 2
    labels = axes.yaxis.get_major_formatter().format_ticks(places)
    assert len(set(labels)) == len(labels)
    assert not any("$" in label for label in labels)


def test_data_colours_differ_in_lightness():
    """Told apart without colour, too: relative luminance by the sRGB weights."""
    from deepcollapse.plot.style import GREEN, PAPER, VERMILION

    light = [np.dot(matplotlib.colors.to_rgb(color), [0.2126, 0.7152, 0.0722]) for color in (BLUE, VERMILION, GREEN)]
    assert max(light) < np.dot(matplotlib.colors.to_rgb(PAPER), [0.2126, 0.7152, 0.0722]) - 0.3
