import numpy as np
import pytest

from deepcollapse.landscape import atlas_entry
from deepcollapse.theory.known import (
    carried_over,
    existing,
    fitting_collapse,
    followed,
    known_points,
    lowest_rival,
    principal_ranks,
)
from deepcollapse.ufm import Problem, diagonally_superior, logits_objective, stationarity, structure


@pytest.mark.parametrize(
    ("classes", "layers", "name", "loss", "digits"),
    [
        (5, 2, "paired", 0.0245134291, 10),
        (7, 2, "paired", 0.0347388140, 10),
        (10, 2, "paired", 0.048938, 6),
        (10, 2, "simplex", 0.055456, 6),
        (10, 3, "paired", 0.041731, 6),
        (10, 3, "T5", 0.040248, 6),
        (10, 3, "unnamed-rank-3", 0.0398087156, 10),
    ],
)
def test_reference_losses(classes, layers, name, loss, digits):
    points = {point.name: point for point in known_points(Problem(classes=classes, layers=layers))}
    assert points[name].loss == pytest.approx(loss, abs=0.5 * 10**-digits)


def test_reference_singular_values_of_the_relaxed_pairs():
    point = lowest_rival(Problem(classes=5, layers=2))
    assert point.singular_values == pytest.approx((14.11967, 14.11967, 6.96022), abs=5e-6)


@pytest.mark.parametrize("changes", [{}, {"samples": 7}, {"decay": 2.0**-12}, {"decay": (2.0**-9, *[2.0**-10] * 3)}])
def test_an_unnamed_point_moves_with_the_problem(changes):
    problem = Problem(classes=10, layers=3, **changes)
    point = carried_over(problem)[-1]
    assert (point.name, point.rank, point.scales) == ("unnamed-rank-3", 3, ())
    assert point.critical
    assert stationarity(point.logits, problem) < 1e-6
    assert point.loss == pytest.approx(logits_objective(point.logits, problem), rel=1e-12)
    assert diagonally_superior(point.logits)
    assert point.loss < structure("T5", problem).loss
    assert atlas_entry(10, 3, point.origin[0]) is not None


def test_named_points_have_no_origin():
    points = known_points(Problem(classes=10, layers=3))
    assert {point.name.startswith("unnamed") for point in points if point.origin is not None} == {True}
    assert all(point.origin is None for point in points if not point.name.startswith("unnamed"))


def test_no_unnamed_point_outside_the_atlas_or_where_it_has_a_name():
    for problem in (
        Problem(classes=4, layers=2),
        Problem(classes=10, layers=3, loss="mse"),
        Problem(classes=10, layers=9),
        Problem(classes=17, layers=3),
        Problem(classes=4, layers=3, samples=(1, 1, 2, 2)),
    ):
        assert carried_over(problem) == ()


def test_descent_into_a_named_structure_is_not_unnamed():
    problem = Problem(classes=6, layers=2)
    pairs = structure("paired", problem).logits
    assert followed(pairs + 1e-3 * np.outer(pairs[0], pairs[1]), problem, rank=3) is None


def test_points_fit_the_width_and_are_sorted():
    for width in (1, 3, 6, 12):
        points = known_points(Problem(classes=10, layers=3, width=width))
        assert all(point.rank <= width for point in points)
        losses = [point.loss for point in points]
        assert losses == sorted(losses)
        assert points[-1].name == "zero"


def test_rivals():
    assert lowest_rival(Problem(classes=3, layers=3)) is None
    assert lowest_rival(Problem(classes=10, layers=2, decay=0.3)) is None
    assert lowest_rival(Problem(classes=10, layers=2, width=2)).name == "circle"
    assert lowest_rival(Problem(classes=4, layers=2)).rank == 2


def test_collapse_that_fits():
    assert fitting_collapse(Problem(classes=6, layers=2, width=5)).rank == 5
    assert fitting_collapse(Problem(classes=6, layers=2, width=4)) is None
    assert fitting_collapse(Problem(classes=6, layers=2, decay=1.0)) is None


@pytest.mark.parametrize("classes", [4, 7, 10, 15])
def test_principal_ranks(classes):
    problem = Problem(classes=classes, layers=3, decay=2.0**-12)
    for name, rank in principal_ranks(classes).items():
        assert existing(name, problem).rank == rank
        assert existing(name, problem.replace(decay=9.0)) is None
