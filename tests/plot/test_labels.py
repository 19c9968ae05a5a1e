import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from deepcollapse.plot.labels import spread_out


def isotonic(values):
    """The min-max formula: max over starts of the min over ends of the mean between."""
    n = len(values)
    return [
        max(min(np.mean(values[start : end + 1]) for end in range(here, n)) for start in range(here + 1))
        for here in range(n)
    ]


positions = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=12).map(sorted).map(np.array)


@given(positions, st.floats(0.01, 0.8))
def test_is_the_least_squares_move(found, gap):
    moved = spread_out(found, gap, low=-50.0, high=60.0)
    steps = gap * np.arange(found.size)
    np.testing.assert_allclose(moved, np.array(isotonic(found - steps)) + steps, atol=1e-9)


@given(positions, st.floats(0.01, 3.0))
def test_keeps_the_gap_inside_the_interval(found, gap):
    moved = spread_out(found, gap, low=0.0, high=10.0)
    fitting = min(gap, 10.0 / max(found.size - 1, 1))
    assert (np.diff(moved) >= fitting - 1e-9).all()
    assert moved.min() >= -1e-9
    assert moved.max() <= 10.0 + 1e-9


@given(positions, st.floats(0.01, 0.8))
def test_leaves_labels_that_are_apart(found, gap):
    assume((np.diff(found) >= gap).all())
    np.testing.assert_allclose(spread_out(found, gap, low=0.0, high=10.0), found, atol=1e-9)
