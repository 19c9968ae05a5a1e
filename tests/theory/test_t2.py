import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.t2 import crossing_depth, t2
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import circle, paired_trial, simplex
from theory.oracle import least_along

PATTERNS = {"circle": circle, "paired": paired_trial, "simplex": simplex}


@pytest.mark.parametrize("decay", [2.0**-10, 2.0**-7])
@pytest.mark.parametrize(("low", "high"), [("paired", "simplex"), ("circle", "simplex"), ("circle", "paired")])
@pytest.mark.parametrize("classes", [8])
def test_crossing_against_dense_losses_depth_by_depth(classes, low, high, decay):
    problem = Problem(classes=classes, layers=1, decay=decay)
    wins = []
    for layers in range(1, 9):
        at = problem.replace(layers=layers)
        first, second = (least_along(PATTERNS[name](at).matrix((1.0,)), at) for name in (low, high))
        wins.append(first < second - 1e-10)
    expected = next((depth + 1 for depth in range(8) if all(wins[depth:])), None)
    assert crossing_depth(low, high, problem, layers_max=8) == expected


def test_a_matrix_stands_for_its_structure():
    problem = Problem(classes=8, layers=2)
    matrix = circle(problem).matrix((1.0,))
    named = crossing_depth("circle", "simplex", problem, layers_max=8)
    assert crossing_depth(matrix, "simplex", problem, layers_max=8) == named == 3


def test_no_crossing_within_the_depths_looked_at():
    problem = Problem(classes=10, layers=2)
    assert crossing_depth("circle", "paired", problem, layers_max=4) is None
    certificate = t2(problem, layers_max=3)
    assert certificate.holds is None
    assert certificate.numbers["crossing_depth"]["circle below paired"] is None
    assert certificate.notes == ("null: not up to 3 layers at this decay",)
    assert certificate.check().agrees


def test_a_schedule_moves_the_crossing():
    problem = Problem(classes=10, layers=2, decay=2.0**-10)
    fixed = crossing_depth("circle", "T5", problem, layers_max=16)
    falling = crossing_depth("circle", "T5", problem, layers_max=16, schedule=lambda layers: 2.0**-10 / layers**6)
    assert falling > fixed


def test_a_structure_that_does_not_exist_has_lost():
    """At decay 0.12 and K = 10 there is a circle from L = 3 on and no collapse; at decay 50 there is neither."""
    problem = Problem(classes=10, layers=2, decay=0.12)
    assert crossing_depth("circle", "simplex", problem, layers_max=6) == 3
    assert crossing_depth("circle", "simplex", problem.replace(decay=50.0), layers_max=3) is None


def test_the_problem_s_own_depth_and_factor_decays_do_not_matter():
    shallow = Problem(classes=7, layers=1, decay=(2.0**-9, 2.0**-11))
    deep = Problem(classes=7, layers=6, decay=2.0**-10)
    assert t2(shallow, layers_max=6).numbers["crossing_depth"] == t2(deep, layers_max=6).numbers["crossing_depth"]


def test_refusals():
    problem = Problem(classes=6, layers=2)
    with pytest.raises(InvalidInputError, match=r"low: expected a rank below that of the other, 3, but found 5; swap"):
        crossing_depth("simplex", "paired", problem)
    with pytest.raises(InvalidInputError, match=r"layers_max: expected at least 1, but found 0; ask for 32"):
        crossing_depth("paired", "simplex", problem, layers_max=0)
    with pytest.raises(InvalidInputError, match="structure: expected dnc"):
        crossing_depth("nonsense", "simplex", problem)


def test_three_classes_have_no_lower_rank():
    certificate = t2(Problem(classes=3, layers=2))
    assert (certificate.applies, certificate.holds, dict(certificate.numbers)) == (False, None, {})


def test_many_classes():
    depths = t2(Problem(classes=300, layers=2), layers_max=12).numbers["crossing_depth"]
    assert set(depths) == {"paired below simplex", "circle below simplex", "T25 below simplex"} | {
        "circle below paired",
        "T25 below paired",
        "circle below T25",
    }
    assert np.all([depth is not None for depth in depths.values()])


def test_only_structures_that_fit_the_width_are_compared():
    empty = t2(Problem(classes=4, layers=2, width=2))
    assert (empty.holds, empty.numbers["crossing_depth"]) == (None, {})
    assert empty.notes == ("no two structures of different rank fit the width 2",)
    assert empty.check().agrees is None
    narrow = t2(Problem(classes=10, layers=2, width=5), layers_max=16)
    assert set(narrow.numbers["crossing_depth"]) == {"T5 below paired", "circle below paired", "circle below T5"}
    assert narrow.holds is True
    assert narrow.check().agrees is True
