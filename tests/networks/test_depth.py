"""Neural collapse through depth, at points of the feature model where it is known and against dense definitions."""

import math

import numpy as np
import pytest

from deepcollapse.networks import collapse_through_depth
from deepcollapse.ufm import Problem, balanced_factors, collapse, gaussian_factors, structure
from deepcollapse.ufm.network import hidden_inputs
from metrics.oracle import covariances, trace_nc1


@pytest.mark.parametrize("decay", [2.0**-10, (1e-5, 5e-3, 5e-3, 5e-3)])
@pytest.mark.parametrize(("classes", "samples"), [(2, 3), (3, 1), (6, 4)])
def test_collapse_is_zero_everywhere(classes: int, samples: int, decay: float | tuple[float, ...]):
    problem = Problem(classes=classes, layers=3, samples=samples, width=classes + 2, decay=decay)
    factors = balanced_factors(collapse(problem).logits, problem, np.random.default_rng(0))
    found = collapse_through_depth(factors, problem)
    assert [one.layer for one in found] == [1, 2, 3]
    for one in found:
        assert one.rank == classes - 1
        assert one.nc1 == pytest.approx(0.0, abs=1e-25)
        assert one.quotient == pytest.approx(0.0, abs=1e-25)
        # equal class means are rounded to about 1e-16, their norms differ by that, NC3 is a difference of matrices
        assert one.equinorm == pytest.approx(0.0, abs=1e-13)
        assert one.equiangularity == pytest.approx(0.0, abs=1e-13)
        assert one.nc3 == pytest.approx(0.0, abs=1e-13)


def test_pairs_have_half_the_rank_and_opposite_means():
    problem = Problem(classes=8, layers=2, samples=2, width=9)
    factors = balanced_factors(structure("paired", problem).logits, problem, np.random.default_rng(1))
    for one in collapse_through_depth(factors, problem):
        assert one.rank == 4
        # 4 of 28 pairs have cosine -1, the others 0
        assert one.equiangularity == pytest.approx((4 * 6 / 7 + 24 / 7) / 28, rel=1e-12)
        assert one.nc3 == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_random_factors_against_dense_definitions(activation: str):
    problem = Problem(classes=4, layers=3, samples=(5, 7, 6, 9), width=6, activation=activation)
    factors = gaussian_factors(problem, np.random.default_rng(2))
    inputs = hidden_inputs(factors, problem)
    for one, hidden, following in zip(
        collapse_through_depth(factors, problem),
        inputs[:-1],
        (factors[3] @ factors[2] @ factors[1], factors[3] @ factors[2], factors[3]),
        strict=True,
    ):
        x, labels = hidden.T, problem.labels
        assert one.nc1 == pytest.approx(trace_nc1(x, labels, classes=4, rtol=1e-3), rel=1e-9)
        within, between = covariances(x, labels, classes=4)
        assert one.quotient == pytest.approx(np.trace(within) / np.trace(between), rel=1e-12)
        means = np.array([x[labels == k].mean(axis=0) for k in range(4)])
        means -= means.mean(axis=0)
        norms = np.linalg.norm(means, axis=1)
        assert one.equinorm == pytest.approx(np.std(norms, ddof=1) / np.mean(norms), rel=1e-12)
        cosines = (means @ means.T / np.outer(norms, norms))[np.triu_indices(4, 1)]
        assert one.equiangularity == pytest.approx(np.abs(cosines + 1 / 3).mean(), rel=1e-12)
        if activation == "linear" or one.layer == 3:
            cosine = (following * means).sum() / np.linalg.norm(following) / np.linalg.norm(means)
            assert one.nc3 == pytest.approx(math.sqrt(2 - 2 * cosine), rel=1e-10)
        else:
            assert one.nc3 is None


def test_nothing_is_invented_where_nothing_is_defined():
    problem = Problem(classes=3, layers=2, samples=2, width=4)
    features, *weights = gaussian_factors(problem, np.random.default_rng(3))
    first, second = collapse_through_depth((features, 0 * weights[0], weights[1]), problem)
    assert first.rank == 2
    assert first.nc3 is None
    assert second.as_json() == {
        "layer": 2,
        "rank": 0,
        "nc1": None,
        "quotient": None,
        "equinorm": None,
        "equiangularity": None,
        "nc3": None,
    }


def test_a_class_at_the_centre_has_no_angle():
    problem = Problem(classes=3, layers=1, width=2)
    features = np.array([[1.0, -1.0, 0.0], [0.5, -0.5, 0.0]])
    (found,) = collapse_through_depth((features, np.ones((3, 2))), problem)
    assert (found.rank, found.equiangularity) == (1, None)
    assert found.equinorm == pytest.approx(math.sqrt(3) / 2, rel=1e-14)
