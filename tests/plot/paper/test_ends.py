import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.plot.paper import Curve, Ends
from deepcollapse.plot.paper.ends import counted
from deepcollapse.simulate import rate

SOME = Ends(collapsed=3, ranks={5: 4, 9: 3}, not_converged=2, diverged=1)


def test_the_rate_leaves_room_for_undecided_runs():
    assert (SOME.decided, SOME.total) == (7, 10)
    assert SOME.rate == rate(3, 10, undecided=3)
    assert Ends(collapsed=0, ranks={}, not_converged=4).rate.value is None


def test_a_figure_says_how_many_runs_it_has():
    curves = [Curve(label="", x=np.array([1.0, 2.0]), ends=[SOME, SOME])]
    assert counted(curves) == "20 runs: 14 decided, 4 undecided, 2 diverged."


def test_a_curve_needs_as_many_counts_as_places():
    with pytest.raises(
        InvalidInputError, match="curve: expected as many counts as places, at least one, but found 1 and 2"
    ):
        Curve(label="", x=np.array([1.0, 2.0]), ends=[SOME])
    with pytest.raises(InvalidInputError, match="at least one, but found 0 and 0"):
        Curve(label="", x=np.zeros(0), ends=[])


def test_places_increase():
    with pytest.raises(InvalidInputError, match=r"curve: expected increasing places, but found \[2.0, 2.0\]"):
        Curve(label="", x=np.array([2.0, 2.0]), ends=[SOME, SOME])
