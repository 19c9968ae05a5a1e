"""The atlas's points at other decays: against searches, exact rescaling, and what any minimum over the decay obeys."""

import numpy as np
import pytest

from deepcollapse.landscape import atlas, carried, lowest_by_decay, search, settings
from deepcollapse.landscape.carried import effective_decay
from deepcollapse.theory import known_points
from deepcollapse.ufm import Problem, logits_objective, stationarity, structures


def best(problem):
    return known_points(problem)[0]


@pytest.mark.parametrize(
    ("classes", "layers", "decay", "loss", "rank"),
    [
        (12, 3, 2.0**-16, 0.0008805319, 4),
        (7, 4, 2.0**-14, 0.0018937877, 3),
        (10, 3, 2.0**-10, 0.0398087157, 3),
    ],
)
def test_reference_points(classes, layers, decay, loss, rank):
    point = best(Problem(classes=classes, layers=layers, decay=decay))
    assert point.loss <= loss
    assert point.rank == rank


@pytest.mark.parametrize(
    ("classes", "layers", "index"), [(4, 2, 5), (7, 4, 0), (9, 3, 7), (11, 6, 18), (12, 2, 20), (16, 5, 12)]
)
def test_the_lowest_loss_at_a_decay_of_the_grid_is_reached_from_the_entries(classes, layers, index):
    row = lowest_by_decay(classes, layers)[index]
    point = best(Problem(classes=classes, layers=layers, decay=row.decay))
    assert (point.loss, point.rank) == (pytest.approx(row.loss, rel=1e-8), row.rank)


@pytest.mark.parametrize(("classes", "layers", "index"), [(7, 2, 18), (10, 3, 9), (12, 3, 12), (11, 5, 8)])
def test_between_two_decays_the_least_loss_is_between_chord_and_tangent(classes, layers, index):
    """The least over all points of functions linear in the decay is concave, and each point's own line is above it."""
    low, high = lowest_by_decay(classes, layers)[index : index + 2]
    middle = Problem(classes=classes, layers=layers, decay=0.5 * (low.decay + high.decay))
    found = best(middle)
    assert found.loss >= 0.5 * (low.loss + high.loss) * (1 - 1e-9)
    slopes = [logits_objective(found.logits, middle.replace(decay=row.decay)) for row in (low, high)]
    assert all(line >= row.loss * (1 - 1e-9) for line, row in zip(slopes, (low, high), strict=True))


@pytest.mark.parametrize(
    ("classes", "layers", "decay"),
    [(5, 2, 2.0**-9.5), (6, 3, 0.0007), (4, 3, 0.04)],
)
def test_a_fresh_search_finds_nothing_lower(classes, layers, decay):
    problem = Problem(classes=classes, layers=layers, decay=decay)
    fresh = search(problem, restarts=2, with_atlas=False, generator=np.random.default_rng(5)).minimum
    assert fresh.loss >= best(problem).loss * (1 - 1e-6)


@pytest.mark.parametrize(
    ("classes", "decay", "width"), [(7, 2.0**-6, None), (7, 2.0**-12, 3), (9, 1e-3, 3), (9, 2.0**-7, None)]
)
def test_a_search_never_contradicts_what_is_known(classes, decay, width):
    """One random start per rank does not find the best; the known points are among the starts."""
    problem = Problem(classes=classes, layers=3, decay=decay, width=width)
    assert search(problem, restarts=1).minimum.loss <= best(problem).loss * (1 + 1e-9)


@pytest.mark.parametrize(("classes", "layers", "samples"), [(8, 3, 2), (12, 3, 5), (7, 4, 1000)])
def test_samples_are_an_exact_rescaling_of_the_decay(classes, layers, samples):
    many = Problem(classes=classes, layers=layers, decay=2.0**-15, samples=samples)
    one = Problem(classes=classes, layers=layers, decay=effective_decay(many))
    left, right = best(many), best(one)
    assert (left.loss, left.rank) == (pytest.approx(right.loss, rel=1e-9), right.rank)
    assert left.singular_values == pytest.approx(np.sqrt(samples) * right.singular_values, rel=1e-6)
    assert left.loss == pytest.approx(logits_objective(left.logits, many), rel=1e-12)


def test_carried_points_are_stationary_and_undercut_all_of_their_rank_or_below():
    for decay in (2.0**-5, 2.0**-18):
        problem = Problem(classes=11, layers=3, decay=decay)
        for found in carried(problem):
            point = found.point
            assert point.structure == "unnamed"
            assert stationarity(point.logits, problem) < 1e-6
            named = [known.loss for known in structures(problem) if known.rank <= point.rank]
            assert point.loss < min(named)
            assert found.entry in atlas()


@pytest.mark.parametrize("decay", [1e-280, 1e-100, 3.0, 1e95])
@pytest.mark.parametrize(("classes", "layers"), [(2, 1), (4, 2), (9, 3)])
def test_any_decay_has_an_answer(classes, layers, decay):
    point = best(Problem(classes=classes, layers=layers, decay=decay, samples=3))
    assert 0 < point.loss <= np.log(classes)
    if decay > 1:
        assert point.name == "zero"


def test_at_next_to_no_decay_the_order_is_that_of_the_margin_costs():
    """F / (M decay / 2) tends to log(1 / decay)^(2/M) times the least sum of s_i^(2/M) at margins of one.

    Distances to the limit shrink like 1 / log(1 / decay), 1 / 645 here, so costs within a per cent may be out of order.
    """

    def cost(point):
        margins = np.diag(point.logits) - (point.logits - np.diag(np.full(len(point.logits), np.inf))).max(axis=0)
        return (point.singular_values / margins.min()) ** 0.5 @ np.ones(point.rank)

    for classes in (6, 8, 10):
        points = known_points(Problem(classes=classes, layers=3, decay=1e-280))
        costs = [cost(point) for point in points if point.rank > 1]
        assert costs[0] <= 1.01 * min(costs)


def test_descent_to_zero_leaves_no_point():
    assert carried(Problem(classes=10, layers=2, decay=0.3)) == ()


def test_nothing_is_carried_where_the_atlas_does_not_reach():
    for problem in (
        Problem(classes=10, layers=3, loss="mse"),
        Problem(classes=10, layers=9),
        Problem(classes=17, layers=3),
        Problem(classes=4, layers=3, samples=(1, 1, 2, 2)),
    ):
        assert carried(problem) == ()
    assert (17, 3) not in settings()
