import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from deepcollapse.theory.t1 import decay_crossing, equal_scale_sides, in_range, t1
from deepcollapse.ufm import Problem
from deepcollapse.ufm.structures import paired_trial, simplex
from theory.oracle import dense_loss, least_along


@given(st.integers(2, 40), st.integers(1, 12))
def test_the_range_is_where_the_equal_scale_certificate_holds(classes, layers):
    left, right = equal_scale_sides(Problem(classes=classes, layers=layers))
    assert (left < right) == in_range(Problem(classes=classes, layers=layers))


@given(st.integers(4, 9), st.integers(2, 5), st.integers(1, 3), st.floats(0.1, 12))
def test_certified_pairs_are_cheaper_at_every_scale(classes, layers, samples, scale):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=0.01)
    pairs, dnc = (dense_loss(scale * make(problem).matrix((1.0,)), problem) for make in (paired_trial, simplex))
    if in_range(problem):
        assert pairs < dnc


@pytest.mark.parametrize("decay", [2.0**-10, 2.0**-6])
@pytest.mark.parametrize(("classes", "layers"), [(4, 2), (4, 3), (5, 2), (6, 1), (7, 2), (6, 4)])
def test_losses_against_dense_minimisation(classes, layers, decay):
    problem = Problem(classes=classes, layers=layers, decay=decay, samples=2)
    numbers = t1(problem).numbers
    assert numbers["collapse_loss"] == pytest.approx(least_along(simplex(problem).matrix((1.0,)), problem), rel=1e-9)
    trial = least_along(paired_trial(problem).matrix((1.0,)), problem)
    assert numbers["competitor_loss"] <= trial + 1e-12


def test_reference_point():
    certificate = t1(Problem(classes=10, layers=2, samples=5, width=70))
    assert (certificate.applies, certificate.holds) == (True, True)
    assert certificate.numbers["collapse_loss"] == pytest.approx(0.090662183213, abs=5e-13)
    assert certificate.numbers["competitor_loss"] == pytest.approx(0.080012659245, abs=5e-13)
    assert (certificate.numbers["competitor"], certificate.numbers["competitor_rank"]) == ("paired", 5)
    assert certificate.numbers["decay_crossing"] is None


def test_five_classes_two_layers_lie_outside_the_range_yet_a_rank_three_point_wins():
    certificate = t1(Problem(classes=5, layers=2))
    assert (certificate.applies, certificate.holds) == (False, True)
    assert certificate.numbers["competitor_rank"] == 3
    assert certificate.numbers["competitor_loss"] == pytest.approx(0.0245134291, abs=5e-11)
    assert certificate.numbers["collapse_loss"] == pytest.approx(0.0246494, abs=5e-8)
    assert "outside the theorem's range, yet" in certificate.notes[0]


def test_collapse_is_back_at_small_decay_with_five_classes():
    certificate = t1(Problem(classes=5, layers=2, decay=2.0**-16))
    assert certificate.holds is None
    assert 2.0**-16 < certificate.numbers["decay_crossing"] < 2.0**-10
    assert "optimality is not proven" in certificate.notes[0]


@pytest.mark.parametrize("samples", [1, 4])
def test_four_classes_two_layers_cross_once(samples):
    problem = Problem(classes=4, layers=2, samples=samples)
    crossing = t1(problem).numbers["decay_crossing"]
    assert crossing == pytest.approx(0.01176 / samples ** (1 / 3), rel=5e-4)
    for factor, expected in ((0.99, None), (1.01, True)):
        assert t1(problem.replace(decay=factor * crossing)).holds is expected


def test_no_crossing_where_pairs_win_at_every_decay():
    assert decay_crossing("paired", "simplex", Problem(classes=6, layers=3)) is None


@pytest.mark.parametrize("decay", [2.0**-12, 0.1, 0.19])
@pytest.mark.parametrize(("layers", "samples"), [(2, 1), (3, 2), (5, 1)])
def test_two_classes_have_their_minimum_on_the_ray_of_collapse(layers, samples, decay):
    """Descent from any margins, one per sample, ends nowhere lower than the certificate says."""
    problem = Problem(classes=2, layers=layers, samples=samples, decay=decay)
    certificate, generator = t1(problem), np.random.default_rng(0)

    def loss(margins):
        value = np.linalg.norm(margins) / np.sqrt(2)
        return np.log1p(np.exp(-margins)).mean() + (layers + 1) * decay / 2 * value ** (2 / (layers + 1))

    floor = min(certificate.numbers["collapse_loss"], np.log(2))
    ends = [minimize(loss, generator.uniform(0, 9, 2 * samples), tol=1e-9).fun for _ in range(6)]
    assert min(ends) >= floor - 1e-9
    assert certificate.holds is bool(floor == np.log(2))
    assert certificate.check().agrees


@pytest.mark.parametrize(("classes", "width"), [(4, 2), (5, 3), (4, 1), (6, 3), (8, 4)])
def test_the_check_works_at_widths_collapse_does_not_fit(classes, width):
    certificate = t1(Problem(classes=classes, layers=2, width=width))
    assert certificate.holds is True
    assert certificate.check().agrees


@pytest.mark.parametrize("classes", [2, 3, 4, 9])
def test_one_layer_makes_the_statement_false(classes):
    certificate = t1(Problem(classes=classes, layers=1))
    assert (certificate.applies, certificate.holds) == (False, False)
    assert certificate.notes == ("L = 1: the problem is convex and collapse is its global minimum (see baseline)",)


def test_three_classes_leave_the_question_open():
    certificate = t1(Problem(classes=3, layers=3))
    assert (certificate.applies, certificate.holds, certificate.numbers["competitor"]) == (False, None, None)
    assert "none exists for K = 3" in certificate.notes[0]


def test_zero_is_below_collapse_at_large_decay_with_three_classes():
    problem = Problem(classes=3, layers=2, decay=0.2)
    certificate = t1(problem)
    assert certificate.numbers["collapse_loss"] > certificate.numbers["zero_loss"] == np.log(3)
    assert certificate.holds is True


@pytest.mark.parametrize("changes", [{"decay": 0.3}, {"width": 5}])
def test_without_a_collapsed_point_the_statement_is_empty(changes):
    certificate = t1(Problem(classes=10, layers=3, **changes))
    assert certificate.holds is True
    assert certificate.numbers["collapse_loss"] is None
    assert "there is no DNC point" in certificate.notes[0]


def test_the_lowest_point_known_at_ten_classes_three_layers_has_no_name():
    certificate = t1(Problem(classes=10, layers=3))
    assert certificate.numbers["competitor"] == "unnamed-rank-3"
    assert certificate.numbers["competitor_loss"] == pytest.approx(0.0398087156, abs=5e-11)
