import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.theory.rigorous import _exact_decay, _output_rank_bound, refutation
from deepcollapse.theory.t1 import in_range, t1
from deepcollapse.ufm import Problem, collapse, structure
from deepcollapse.ufm import given as structure_given
from theory.oracle import dense_loss

IN_RANGE = [(k, l) for k in range(4, 13) for l in range(2, 7) if in_range(Problem(classes=k, layers=l))]


@pytest.mark.parametrize(("classes", "layers"), IN_RANGE)
def test_verifies_the_theorem_s_range(classes, layers):
    problem = Problem(classes=classes, layers=layers)
    found = refutation(problem)
    assert found.verified
    assert found.competitor_upper_bound < found.dnc_lower_bound <= collapse(problem).loss
    assert found.dnc_lower_bound == pytest.approx(collapse(problem).loss, rel=2e-4)


@settings(max_examples=30)
@given(
    st.sampled_from([(2, 1), (2, 4), (3, 1), (3, 2), (3, 6), (4, 1), (5, 1), (9, 1)]),
    st.floats(-14, 0),
    st.integers(1, 4),
)
def test_three_classes_or_one_layer_are_refuted_by_zero_alone(shape, log_decay, samples):
    problem = Problem(classes=shape[0], layers=shape[1], decay=2.0**log_decay, samples=samples)
    at_fold = shape[1] == 1 and math.isclose(problem.mean_decay * shape[0] * math.sqrt(samples), 1.0, rel_tol=1e-9)
    assume(not at_fold)  # there collapse is zero itself
    found = refutation(problem)
    try:
        below_zero = collapse(problem).loss < np.log(shape[0])
    except UndefinedError:
        below_zero = False
    assert found.verified is not below_zero
    if found.verified:
        assert found.competitor == "zero"
        assert shape[1] == 1 or found.dnc_lower_bound > found.competitor_upper_bound >= np.log(shape[0])
    else:
        assert "known here" in found.reason or "is not proven to be below" in found.reason


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_never_verifies_relu_networks_where_collapse_is_optimal(activation):
    for classes, layers in ((3, 5), (6, 1), (10, 1)):
        assert not refutation(Problem(classes=classes, layers=layers, width=16, activation=activation)).verified


def test_follows_the_crossing_at_four_classes_two_layers():
    problem = Problem(classes=4, layers=2)
    below = refutation(problem)
    assert not below.verified
    assert below.reason == "the competitor's loss is not proven to be below that of collapse"
    assert below.competitor_upper_bound > below.dnc_lower_bound
    assert refutation(problem.replace(decay=0.0118)).verified
    assert not refutation(problem.replace(decay=0.0117)).verified


def test_five_classes_two_layers():
    found = refutation(Problem(classes=5, layers=2))
    assert found.verified
    assert found.competitor == "paired"
    assert found.competitor_upper_bound == pytest.approx(0.0245134291, abs=1e-10)
    assert not refutation(Problem(classes=5, layers=2, decay=2.0**-16)).verified


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 5, "width": 70},
        {"samples": 5000},
        {"decay": (2.0**-9, 2.0**-11, 2.0**-10), "samples": 3},
        {"decay": 2.0**-30},
        {"width": 5},
    ],
)
def test_other_settings_at_ten_classes(changes):
    problem = Problem(classes=10, layers=2, **changes)
    found = refutation(problem)
    assert found.verified
    assert dense_loss(structure("paired", problem).logits, problem.replace(samples=1)) > 0
    assert found.competitor_upper_bound < found.dnc_lower_bound


@pytest.mark.parametrize(
    ("classes", "layers", "competitor", "verified"),
    [(10, 3, "relu-T5", True), (10, 2, "relu-T5", False), (21, 2, "relu-T7", True), (16, 4, "relu-pairs", True)],
)
def test_relu_networks(classes, layers, competitor, verified):
    problem = Problem(classes=classes, layers=layers, samples=2, width=2 * classes, activation="relu")
    found = refutation(problem.replace(samples=1))
    assert (found.competitor, found.verified) == (competitor, verified)
    assert found.dnc_lower_bound <= collapse(Problem(classes=classes, layers=layers)).loss


def test_a_competitor_of_one_s_own():
    problem = Problem(classes=6, layers=3)
    hexagon = structure("circle", problem)
    found = refutation(problem, competitor=hexagon)
    assert found.competitor == "circle"
    assert found.verified == (hexagon.loss < collapse(problem).loss)


def test_refused_competitors():
    problem = Problem(classes=6, layers=3)
    with pytest.raises(
        InvalidInputError, match=r"competitor: expected logits of rank 1 to 4 .* found simplex of rank 5"
    ):
        refutation(problem, competitor=structure("simplex", problem))
    wrong = np.outer([1.0, 1, 1, -1, -1, -1], [1.0, 1, 1, -1, -1, -1])
    with pytest.raises(InvalidInputError, match="classify every class correctly, but found given of rank 1"):
        refutation(problem, competitor=structure_given(wrong, problem))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"loss": "mse"}, "squared error"), ({"samples": (1, 2, 1, 1, 1, 1)}, "equally many samples per class")],
)
def test_not_applicable(changes, reason):
    found = refutation(Problem(classes=6, layers=3, **changes))
    assert not found.verified
    assert (found.dnc_lower_bound, found.competitor_upper_bound, found.competitor) == (None, None, None)
    assert reason in found.reason


def test_without_a_collapsed_point_zero_is_the_proof_and_the_reason_says_so():
    found = refutation(Problem(classes=8, layers=3, decay=0.5))
    assert (found.verified, found.competitor) == (True, "zero")
    assert found.reason.startswith("there is no DNC point at this decay; proven at decay 2^-1: Z = 0 costs less")
    one = refutation(Problem(classes=10, layers=1, decay=0.2))
    assert (one.verified, one.competitor, one.dnc_lower_bound) == (True, "zero", None)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize(
    ("classes", "layers", "decay", "loss"), [(3, 2, 0.19, 1.1139), (3, 4, 0.15, 1.2281), (6, 2, 0.11, 1.823)]
)
def test_zero_below_an_existing_collapsed_point_refutes_it(classes, layers, decay, loss, activation):
    problem = Problem(classes=classes, layers=layers, decay=decay, activation=activation)
    found, dnc = refutation(problem), collapse(problem.replace(activation="linear"))
    assert dnc.loss == pytest.approx(loss, abs=2e-3)
    assert (found.verified, found.competitor) == (True, "zero")
    assert np.log(classes) <= found.competitor_upper_bound < found.dnc_lower_bound <= dnc.loss
    assert t1(problem.replace(activation="linear")).holds is True


def test_a_competitor_of_one_s_own_is_used_where_zero_would_do():
    problem = Problem(classes=6, layers=2, decay=0.11)
    own = structure("paired", problem)
    assert refutation(problem).competitor == "zero"
    assert refutation(problem, competitor=own).competitor == "paired"


@given(st.floats(1e-8, 10.0))
def test_the_decay_in_the_proof_is_the_float_that_was_enclosed(decay):
    text = _exact_decay(Problem(classes=4, layers=2, decay=decay)).split(" = ")[-1]
    odd, power = text.split(" * ") if " * " in text else ("1", text)
    assert int(odd) % 2 == 1
    assert Fraction(int(odd)) * Fraction(2) ** int(power.removeprefix("2^")) == Fraction(decay)


def test_output_rank_bound():
    signed = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert _output_rank_bound(signed) == 2
    assert _output_rank_bound(np.eye(4)[:, :3]) == 3


def test_json():
    found = refutation(Problem(classes=6, layers=2)).as_json()
    assert list(found) == ["verified", "dnc_lower_bound", "competitor_upper_bound", "competitor", "decay", "reason"]
    assert found["verified"] is True


def test_a_competitor_that_does_not_fit_the_width_is_refused():
    wide = structure("paired", Problem(classes=10, layers=2))
    with pytest.raises(
        InvalidInputError,
        match=r"competitor: expected a rank of at most the width, 3, but found paired of rank 5; widen",
    ):
        refutation(Problem(classes=10, layers=2, width=3), competitor=wide)


def test_the_reason_says_that_collapse_does_not_fit_the_width():
    note = "DNC does not fit the width: its rank is 9, the width 8"
    assert note in refutation(Problem(classes=10, layers=2, width=8)).reason
    assert "does not fit" not in refutation(Problem(classes=10, layers=2, width=9)).reason


def test_the_reason_names_the_networks_a_relu_proof_is_about():
    problem = Problem(classes=10, layers=3, activation="relu")
    assert refutation(problem).reason.endswith("; of ReLU networks, those that are collapsed at every layer")
    assert "ReLU" not in refutation(problem.replace(activation="linear")).reason
