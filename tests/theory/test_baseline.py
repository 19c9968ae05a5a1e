from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.curvature import dense_hessian
from deepcollapse.theory.baseline import baseline, collapse_scale, outside_norm
from deepcollapse.ufm import Problem, balanced_factors, collapse, structure
from deepcollapse.ufm.structures import simplex
from theory.oracle import dense_loss


@settings(max_examples=40)
@given(st.integers(2, 7), st.integers(1, 4), st.floats(-12, 0), st.integers(0, 2**32 - 1))
def test_no_matrix_beats_neural_collapse(classes, samples, log_decay, seed):
    problem = Problem(classes=classes, layers=1, samples=samples, decay=2.0**log_decay)
    certificate = baseline(problem)
    assert certificate.holds is True
    best, generator = certificate.numbers["loss"], np.random.default_rng(seed)
    logits = simplex(problem).matrix((certificate.numbers["scale"],))
    assert best == pytest.approx(dense_loss(logits, problem), rel=1e-9)
    for size in (1e-3, 0.1, 1.0, 10.0):
        other = logits + size * generator.standard_normal((classes, classes))
        assert dense_loss(other, problem) >= best - 1e-12


@pytest.mark.parametrize(("classes", "samples"), [(2, 1), (3, 4), (10, 5)])
def test_scale_is_that_of_the_ray(classes, samples):
    problem = Problem(classes=classes, layers=1, samples=samples)
    expected = np.log(1 / (problem.decay * np.sqrt(samples)) - (classes - 1))
    assert collapse_scale(problem) == pytest.approx(expected) == pytest.approx(collapse(problem).scales[0], rel=1e-9)


def test_zero_is_optimal_from_the_threshold_on():
    limit = 1 / (5 * np.sqrt(2))
    below, above = (baseline(Problem(classes=5, layers=1, samples=2, decay=factor * limit)) for factor in (0.99, 1.01))
    assert below.numbers["decay_max"] == pytest.approx(limit)
    assert below.numbers["scale"] > 0
    assert above.numbers["scale"] == 0
    assert above.numbers["loss"] == pytest.approx(np.log(5))
    assert (below.holds, above.holds) == (True, True)
    assert above.notes == ("at this decay Z = 0 is the global minimum",)


@pytest.mark.parametrize("name", ["circle", "paired", "partition-2-3", "zero"])
def test_other_critical_points_are_strict_saddles_of_the_dense_hessian(name):
    problem = Problem(classes=5, layers=1, width=5, decay=2.0**-6)
    logits = structure(name, problem).logits
    expected = problem.decay - outside_norm(logits, problem)
    assert expected < 0
    values = np.linalg.eigvalsh(dense_hessian(balanced_factors(logits, problem), problem))
    assert np.abs(values - expected).min() < 1e-6 * problem.decay
    least = baseline(problem).numbers["least_curvature_over_decay"][name]
    assert least == pytest.approx(expected / problem.decay)


def test_a_point_that_is_not_critical_for_the_convex_problem_has_a_duality_gap():
    """The dual check is not vacuous: at another scale it does not close."""
    certificate = baseline(Problem(classes=4, layers=1))
    assert certificate.check().agrees
    numbers = {**certificate.numbers, "scale": 1.01 * certificate.numbers["scale"]}
    wrong = replace(certificate, numbers=numbers).check()
    assert wrong.agrees is False
    assert wrong.numbers["primal"] > wrong.numbers["dual"] + 1e-9


def test_nothing_is_claimed_of_deeper_or_narrower_networks():
    for problem in (Problem(classes=4, layers=2), Problem(classes=6, layers=1, width=3)):
        certificate = baseline(problem)
        assert (certificate.applies, certificate.holds) == (False, None)
