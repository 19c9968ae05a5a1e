"""A theorem applies where every hypothesis of the paper holds, and where one fails it says which."""

import pytest

from deepcollapse.theory.baseline import baseline
from deepcollapse.theory.t1 import t1
from deepcollapse.theory.t2 import t2
from deepcollapse.theory.t3 import t3
from deepcollapse.theory.t4 import SMALL, t4
from deepcollapse.theory.t5 import t5
from deepcollapse.theory.t6 import t6
from deepcollapse.theory.t7 import t7
from deepcollapse.ufm import Problem


def shallow_t2(problem):
    return t2(problem, layers_max=3)


def shallow_t3(problem):
    return t3(problem, depths=(1, 2))


LINEAR = {
    "cross-entropy": {"loss": "mse"},
    "linear activation": {"activation": "relu"},
    "equally many samples per class": {"samples": (1, 2, 2, 1, 1, 1)},
    "width >= classes": {"width": 5},
    "one decay for all factors": {"decay": (1e-4, 1e-5, 1e-4)},
}
T1_RANGE = "K >= 4, L >= 3 or K >= 6, L = 2"
T2_RANGE = "K >= 4, so that two named structures differ in rank"
T6_RANGE = "K >= 4, so that pairs are not collapse"
T7_RANGE = "K >= 10, L >= 5 or K >= 16, L = 4"
TABLE = {
    t1: {T1_RANGE: [{"classes": 3}, {"layers": 1}, {"classes": 5}]},
    shallow_t2: {T2_RANGE: [{"classes": 3}, {"classes": 2}]},
    shallow_t3: {},
    t4: {SMALL: [{"decay": 0.08}, {"decay": 0.12}]},
    t5: {
        "a decay at which DNC exists": [{"decay": 0.13}, {"decay": 0.14}],
        "a critical point of rank 2 to K - 2 is known": [{"classes": 3}],
    },
    t6: {
        "K even": [{"classes": 7}, {"classes": 5}],
        "a decay at which DNC and pairs exist": [{"decay": 0.14}, {"decay": 0.7}],
        T6_RANGE: [{"classes": 2}],
    },
}
ANY_SIZES = (shallow_t2, shallow_t3)  # A1 and A2: T2 and T3 hold for classes of any sizes
CASES = [
    (theorem, name, changes)
    for theorem, table in TABLE.items()
    for name, violations in ({name: [one] for name, one in LINEAR.items()} | table).items()
    if not (name == "equally many samples per class" and theorem in ANY_SIZES)
    for changes in violations
]


@pytest.mark.parametrize("theorem", TABLE, ids=lambda theorem: theorem.__name__)
@pytest.mark.parametrize("samples", [1, 4])
def test_applies_where_all_hypotheses_hold(theorem, samples):
    certificate = theorem(Problem(classes=6, layers=2, decay=2.0**-16, samples=samples))
    assert certificate.applies
    assert certificate.hypotheses


@pytest.mark.parametrize(("theorem", "name", "changes"), CASES)
def test_one_hypothesis_that_fails_is_named(theorem, name, changes):
    wide = {} if "width" in changes else {"width": 16}
    problem = Problem(**({"classes": 6, "layers": 2, "decay": 2.0**-16} | wide | changes))
    certificate = theorem(problem)
    assert not certificate.applies
    assert [text for text, true in certificate.hypotheses.items() if not true] == [name]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"activation": "linear"}, "relu activation"),
        ({"loss": "mse"}, "cross-entropy"),
        ({"samples": (1, *(2,) * 9)}, "equally many samples per class"),
        ({"width": 9}, "width >= classes"),
        ({"decay": (1e-4, 1e-5, 1e-4, 1e-4, 1e-4, 1e-4)}, "one decay for all factors"),
        ({"classes": 9}, T7_RANGE),
        ({"layers": 4}, T7_RANGE),
        ({"layers": 3, "classes": 16}, T7_RANGE),
    ],
)
def test_t7(changes, name):
    base = {"classes": 10, "layers": 5, "width": 16, "activation": "relu"}
    assert t7(Problem(**base)).applies
    certificate = t7(Problem(**base | changes))
    assert [text for text, true in certificate.hypotheses.items() if not true] == [name]


def test_t7_says_that_assumption_1_is_not_needed():
    assert "Assumption 1" in t7(Problem(classes=10, layers=5, activation="relu")).notes[0]
    assert "not needed" in t7(Problem(classes=10, layers=5, activation="relu")).notes[0]


def test_the_baseline_is_about_one_layer():
    assert baseline(Problem(classes=6, layers=1)).applies
    deeper = baseline(Problem(classes=6, layers=2))
    assert [text for text, true in deeper.hypotheses.items() if not true] == ["L = 1"]


@pytest.mark.parametrize(("decay", "exists"), [(0.09, False), (0.1, False), (2.0**-10, True)])
def test_t5_asks_for_a_decay_at_which_collapse_exists(decay, exists):
    assert t5(Problem(classes=10, layers=2, width=70, decay=decay)).applies is exists
