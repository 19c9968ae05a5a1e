import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 1}, r"classes: expected a whole number >= 2, but found 1; a classifier needs two classes"),
        ({"layers": 0}, r"layers: expected a whole number >= 1, but found 0; count the weight matrices"),
        ({"samples": 0}, r"samples: expected a whole number >= 1, but found 0"),
        ({"samples": (1, 2)}, r"samples: expected 4 numbers, one per class, but found 2"),
        ({"samples": (1, 2, 0, 1)}, r"samples: expected a whole number >= 1, but found 0; drop classes"),
        ({"width": 0}, r"width: expected a whole number >= 1, but found 0; leave it out"),
        ({"decay": 0.0}, r"decay: expected a finite number > 0, but found 0.0; without decay"),
        ({"decay": -1.0}, r"decay: expected a finite number > 0, but found -1.0"),
        ({"decay": float("nan")}, r"decay: expected a finite number > 0, but found nan"),
        ({"decay": float("inf")}, r"decay: expected a finite number > 0, but found inf"),
        ({"decay": 1e-300}, r"decay: expected a number from 1e-290 to 1e\+100, but found 1e-300"),
        ({"decay": (0.1, 0.2)}, r"decay: expected 3 numbers, one per factor \(H_1, W_1, ..., W_2\), but found 2"),
        ({"decay": (0.1, 0.2, 0.0)}, r"decay: expected a finite number > 0, but found 0.0"),
    ],
)
def test_bad_problems_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        Problem(**({"classes": 4, "layers": 2} | changes))


def test_sizes_derived_from_the_problem():
    problem = Problem(classes=3, layers=4, samples=(1, 2, 5), decay=(1.0, 2.0, 4.0, 8.0, 16.0))
    assert (problem.factors, problem.d, problem.total_samples, problem.balanced) == (5, 3, 8, False)
    assert problem.labels.tolist() == [0, 1, 1, 2, 2, 2, 2, 2]
    np.testing.assert_allclose(problem.class_weights, [1 / 8, 2 / 8, 5 / 8])
    assert problem.replace(width=7).d == 7


@given(st.lists(st.floats(1e-12, 1e3), min_size=3, max_size=3))
def test_mean_decay_is_the_geometric_mean(decays):
    problem = Problem(classes=2, layers=2, decay=tuple(decays))
    assert problem.mean_decay == pytest.approx(np.prod(np.array(decays, dtype=np.longdouble)) ** (1 / 3), rel=1e-13)
