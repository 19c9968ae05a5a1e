import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot import singular_values_figure
from deepcollapse.ufm import Problem, structures
from plot.drawn import cut_off, overlapping

PROBLEM = Problem(classes=10, samples=5, layers=2, width=70)
FOUND = {one.name: one.singular_values for one in structures(PROBLEM) if one.rank}


def points(axes):
    return next(line for line in axes.lines if line.get_marker() == "o")


@settings(max_examples=6)
@given(
    st.dictionaries(
        st.text("abc-$_", min_size=1, max_size=8),
        st.lists(st.floats(0.0, 1e3), min_size=1, max_size=12),
        min_size=1,
        max_size=6,
    )
)
def test_shows_every_value_in_descending_order(found):
    figure = singular_values_figure({name: np.array(values) for name, values in found.items()})
    for axes, (name, values) in zip(figure.axes, found.items(), strict=True):
        assert axes.get_title(loc="left") == name
        np.testing.assert_array_equal(points(axes).get_ydata(), sorted(values, reverse=True))
        np.testing.assert_array_equal(points(axes).get_xdata(), np.arange(1, len(values) + 1))


def test_scale_is_linear_unless_values_spread():
    near, far = {"a": np.array([3.0, 2.0]), "b": np.array([4.0])}, {"a": np.array([3.0, 2.0]), "b": np.array([40.0])}
    assert singular_values_figure(near).axes[0].get_yscale() == "linear"
    assert singular_values_figure(far).axes[0].get_yscale() == "log"
    assert singular_values_figure({"a": np.array([3.0, 1e-7])}).axes[0].get_yscale() == "log"
    assert singular_values_figure(far, log=False).axes[0].get_yscale() == "linear"


def test_values_lie_inside_the_axes():
    for values in (np.array([31.0, 1e-7, 0.0]), np.array([5.0, 4.0]), np.zeros(3)):
        axes = singular_values_figure({"a": values}).axes[0]
        low, high = axes.get_ylim()
        shown = values[values > 0] if axes.get_yscale() == "log" else values
        assert ((low <= shown) & (shown < high)).all()


def test_threshold_is_drawn_across_every_panel():
    figure = singular_values_figure({"a": np.array([9.0, 1e-7]), "b": np.array([4.0])}, threshold=1e-3)
    for axes in figure.axes:
        assert [line.get_ydata() for line in axes.lines if line.get_marker() != "o"] == [[1e-3, 1e-3]]


@pytest.mark.parametrize("count", [1, 3, 13])
def test_labels_do_not_touch(count):
    figure = singular_values_figure(dict(list(FOUND.items())[:count]))
    assert len(figure.axes) == count
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_refuses_what_is_no_singular_value():
    with pytest.raises(InvalidInputError, match="spectra: expected at least one, but found none"):
        singular_values_figure({})
    with pytest.raises(InvalidInputError, match=r"expected finite singular values >= 0, but found -1.0 in 'a'"):
        singular_values_figure({"a": np.array([1.0, -1.0])})
    with pytest.raises(InvalidInputError, match=r"but found nan in 'a'; take them from"):
        singular_values_figure({"a": np.array([np.nan])})
