from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.curvature import balanced_spectrum, collapse_spectrum
from deepcollapse.theory.known import lowest_rival
from deepcollapse.theory.t5 import dimension_counts, paper_dimension, t5
from deepcollapse.ufm import Problem, structure


def test_reference_counts():
    problem = Problem(classes=10, layers=2, samples=5, width=70)
    certificate = t5(problem)
    assert (certificate.applies, certificate.holds) == (True, False)
    assert certificate.numbers["clauses"] == {
        "grows, below (K - 1) / r": {"paper": True, "exact": True},
        "starts below 1": {"paper": True, "exact": False},
    }
    assert certificate.numbers["ratio_at_d_K"] == {"paper": pytest.approx(9 / 25), "exact": pytest.approx(9 / 7)}
    assert certificate.notes[0].startswith(
        "finding: by the exact dimension the ratio does not start below 1: it is 1.2857"
    )
    assert certificate.numbers["dnc"] == {"paper": 2 * 9 * 61, "exact": 1170}
    assert certificate.numbers["low_rank"] == {"paper": 2 * 5 * 65, "exact": 670}
    assert certificate.numbers["ratio"]["exact"] == pytest.approx(1170 / 670)
    assert certificate.numbers["ratio_limit"] == 9 / 5


@given(st.integers(4, 11), st.integers(1, 4), st.integers(0, 200))
def test_exact_ratio_is_the_closed_form_at_least_one_and_below_its_limit(classes, layers, extra):
    problem = Problem(classes=classes, layers=layers, width=classes + extra)
    rival = structure("paired", problem)
    counts = dimension_counts(problem, rival)
    r, d = rival.rank, problem.d
    expected = Fraction((classes - 1) * (2 * d - classes), r * (2 * d - r - 1))
    assert Fraction(counts.dnc[1], counts.low_rank[1]) == expected
    assert 1 <= expected < Fraction(classes - 1, r)
    wider = dimension_counts(problem.replace(width=d + 1), rival)
    assert wider.ratio[1] > counts.ratio[1]


@pytest.mark.parametrize(("classes", "layers", "width"), [(5, 2, 7), (6, 2, 6), (6, 3, 8), (7, 1, 9)])
def test_exact_counts_are_the_nullities_of_the_hessian(classes, layers, width):
    problem = Problem(classes=classes, layers=layers, width=width)
    rival = structure("paired", problem)
    counts = dimension_counts(problem, rival)
    assert collapse_spectrum(problem).nullity == counts.dnc[1]
    assert balanced_spectrum(rival.logits, problem).nullity == counts.low_rank[1]


def test_the_paper_s_count_lies_between_its_bounds():
    problem = Problem(classes=8, layers=3, width=20)
    assert paper_dimension(np.ones(4), problem) == 3 * (4 * 20 - 16)
    assert paper_dimension(np.array([4.0, 3.0, 2.0, 1.0]), problem) == 3 * (4 * 20 - 10)
    assert paper_dimension(np.array([2.0, 2.0, 1.0]), problem) == 3 * (3 * 20 - 7)
    assert paper_dimension(np.ones(1), problem) == 3 * (20 - 1)


def test_where_the_paper_s_count_vanishes_there_is_no_ratio():
    problem = Problem(classes=6, layers=2, width=3)
    counts = dimension_counts(problem, structure("paired", problem))
    assert (counts.dnc, counts.low_rank) == (None, (0, 6))
    assert counts.ratio == (None, None)
    tight = Problem(classes=6, layers=2, width=5)
    assert dimension_counts(tight, structure("paired", tight)).ratio[1] == pytest.approx(20 / 18)


@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes_have_no_low_rank_structure(classes):
    problem = Problem(classes=classes, layers=2)
    certificate = t5(problem)
    assert (certificate.applies, certificate.holds) == (False, None)
    counts = dimension_counts(problem, lowest_rival(problem)).as_json()
    assert counts["dnc"] == {"paper": 2 * (classes - 1), "exact": classes * (classes - 1)}
    assert (counts["rank"], counts["ratio"], counts["ratio_limit"]) == (None, {"paper": None, "exact": None}, None)


def test_many_classes():
    numbers = t5(Problem(classes=200, layers=3, width=512)).numbers
    assert numbers["dnc"]["exact"] == 3 * (199 * 512 - 199 * 100)
    assert numbers["rank"] == 100


@pytest.mark.parametrize(("classes", "layers", "width"), [(6, 2, 5), (10, 4, 70), (30, 2, 64)])
def test_the_check_measures_the_dimensions_at_the_problem_s_own_width(classes, layers, width):
    certificate = t5(Problem(classes=classes, layers=layers, width=width, samples=2))
    check = certificate.check()
    assert check.agrees is True
    assert check.numbers == {name: certificate.numbers[name]["exact"] for name in ("dnc", "low_rank")}


def test_the_check_finds_a_wrong_count(monkeypatch):
    monkeypatch.setattr(
        import_module("deepcollapse.theory.t5"), "solution_dimension", lambda rank, problem: rank * problem.d
    )
    assert t5(Problem(classes=30, layers=5)).check().agrees is False


def test_what_is_too_large_to_measure_is_not_agreed_to():
    check = t5(Problem(classes=100, layers=2)).check()
    assert (check.agrees, check.numbers) == (None, {})
    assert "not remeasured" in check.method
