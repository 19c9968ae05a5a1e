import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem


@pytest.fixture(autouse=True)
def as_users_call_it(monkeypatch):
    """Users have no type checker around the package."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


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
        ({"decay": "2^-10"}, r"decay: expected a finite number > 0, but found '2\^-10'"),
        ({"decay": [0.1, True, 0.1]}, r"decay: expected a finite number > 0, but found True"),
        ({"decay": np.array([[0.1, 0.1, 0.1]])}, r"decay: expected 3 numbers, .* but found 1; or give one for all"),
        ({"decay": 10**400}, r"decay: expected a number from 1e-290 to 1e\+100, but found 10+; float64 cannot hold"),
        ({"classes": True}, r"classes: expected a whole number >= 2, but found True"),
        ({"classes": np.float64(4.0)}, r"classes: expected a whole number >= 2, but found 4.0"),
        ({"classes": "4"}, r"classes: expected a whole number >= 2, but found '4'"),
        ({"layers": np.bool_(True)}, r"layers: expected a whole number >= 1, but found True"),
        ({"samples": [2, 2, 2.5, 2]}, r"samples: expected a whole number >= 1, but found 2.5; drop classes"),
        ({"samples": np.array([[1, 1, 1, 1]] * 4)}, r"samples: expected a whole number >= 1, but found \[1, 1, 1, 1\]"),
        ({"samples": "1111"}, r"samples: expected a whole number >= 1, but found '1111'; give one number per class"),
        ({"samples": {1: 1}}, r"samples: expected a whole number >= 1, but found \{1: 1\}"),
        ({"classes": 10**12}, r"classes: expected at most 10000000, but found 1000000000000; lower it"),
        ({"classes": 10**30}, r"classes: expected at most 10000000, but found 10+; lower it"),
        ({"layers": 10**30}, r"layers: expected at most 1000000, but found 10+; lower it"),
        ({"width": 10**30}, r"width: expected at most 9007199254740992, but found 10+; lower it"),
        ({"samples": 10**30}, r"samples: expected at most 9007199254740992, but found 10+; lower it"),
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


PLAIN = {"classes": 4, "layers": 2, "width": 8, "samples": (5, 5, 5, 5), "decay": (0.5, 0.25, 0.125)}


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": np.int64(4), "layers": np.uint8(2), "width": np.array(8)},
        {"samples": [5, 5, 5, 5]},
        {"samples": np.bincount(np.repeat(np.arange(4), 5))},
        {"samples": tuple(np.full(4, 5, dtype=np.int32))},
        {"samples": torch.full((4,), 5)},
        {"decay": [0.5, 0.25, 0.125]},
        {"decay": np.array([0.5, 0.25, 0.125])},
        {"decay": tuple(np.array([0.5, 0.25, 0.125], dtype=np.float32))},
    ],
)
def test_numbers_of_any_library_make_the_problem_of_plain_ones(changes):
    plain, found = Problem(**PLAIN), Problem(**PLAIN | changes)
    assert found == plain
    assert hash(found) == hash(plain)
    assert repr(found) == repr(plain)
    assert plain.replace(**changes) == plain


def test_one_number_for_all_stays_one_number():
    found = Problem(classes=4, layers=2, samples=np.int16(5), decay=np.float64(0.5))
    assert (type(found.samples), type(found.decay)) == (int, float)
    assert found == Problem(classes=4, layers=2, samples=5, decay=0.5)
