import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.theory.t3 import least_rank, minimisers_by_depth, singular_value_bound, t3
from deepcollapse.ufm import Problem, diagonally_superior, structure
from theory.oracle import dense_loss


@given(st.integers(2, 6), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32 - 1), st.floats(-14, -2))
def test_no_matrix_violates_the_bound(classes, layers, samples, seed, log_decay):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**log_decay)
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((classes, classes)) @ np.diag(10.0 ** -generator.uniform(0, 6, classes))
    logits = 10.0 ** generator.uniform(-1, 1.5) * (np.eye(classes) - 1 / classes) + noise
    values = np.linalg.svd(logits, compute_uv=False)
    bound = singular_value_bound(dense_loss(logits, problem), problem)
    q = least_rank(classes)
    after = values[q] if q < classes else 0.0
    assert after / np.linalg.norm(values) <= bound * (1 + 1e-9)


def test_bound_says_something_about_collapse_in_deep_networks():
    """A matrix with K - 1 equal singular values cannot be a minimiser at 64 layers: the bound is far below theirs."""
    deep = Problem(classes=10, layers=64, decay=2.0**-10 / 64**2)
    best = structure("circle", deep).loss
    assert singular_value_bound(best, deep) < 1e-6 < 1 / 3
    assert singular_value_bound(math.log(10), deep) == 1 / math.sqrt(3)


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 7, 9])
def test_the_minimiser_ends_at_the_least_rank(classes):
    points = minimisers_by_depth(Problem(classes=classes, layers=1), depths=(1, 2, 4, 16, 64))
    assert points[0].rank == classes - 1
    assert points[-1].rank == least_rank(classes)
    ranks = [point.rank for point in points]
    assert ranks == sorted(ranks, reverse=True)
    for point in points:
        at = Problem(classes=classes, layers=point.layers, decay=point.decay)
        assert point.decay == 2.0**-10 / point.layers**2
        assert dense_loss(point.logits, at) == pytest.approx(point.loss, rel=1e-8)
        assert np.linalg.norm(point.singular_values) == pytest.approx(1.0)
        assert diagonally_superior(point.logits)
    bounds = [point.bound for point in points]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 1e-6


def test_least_rank_is_attained_by_the_circle_and_not_below():
    for classes in (3, 6, 11):
        assert structure("circle", Problem(classes=classes, layers=2)).rank == least_rank(classes)
    rank_one = np.outer(np.arange(1.0, 4.0), [1.0, -1.0, 2.0])
    assert not diagonally_superior(rank_one)


def test_certificate():
    certificate = t3(Problem(classes=6, layers=2, samples=3), depths=(1, 8, 64))
    assert (certificate.applies, certificate.holds) == (True, True)
    assert [row["rank"] for row in certificate.numbers["depths"]][::2] == [5, 2]
    shallow = t3(Problem(classes=6, layers=2), depths=(1, 2))
    assert shallow.holds is None
    assert shallow.check().agrees


def test_a_constant_schedule():
    points = minimisers_by_depth(Problem(classes=4, layers=1), depths=(2, 3), schedule=lambda _: 2.0**-10)
    assert [(point.name, point.decay) for point in points] == [("simplex", 2.0**-10), ("paired", 2.0**-10)]


def test_width_limits_the_rank():
    points = minimisers_by_depth(Problem(classes=8, layers=1, width=3), depths=(1, 2))
    assert max(point.rank for point in points) <= 3


def test_many_classes_follow_named_structures_only():
    points = minimisers_by_depth(Problem(classes=60, layers=1), depths=(2, 64))
    assert [point.name for point in points] == ["paired", "circle"]


@pytest.mark.parametrize("depths", [(), (0, 1), (2, 1), (1, 1)])
def test_refusals(depths):
    with pytest.raises(InvalidInputError, match="depths: expected increasing numbers >= 1, but found"):
        minimisers_by_depth(Problem(classes=4, layers=1), depths=depths)
