import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.curvature import collapse_spectrum, dense_hessian
from deepcollapse.theory.t4 import _exchange_curvature, t4
from deepcollapse.ufm import Problem, balanced_factors, collapse, logits_objective


@pytest.mark.parametrize(
    ("classes", "layers", "samples", "decay"),
    [(2, 2, 2, 0.1), (3, 2, 1, 0.2), (4, 3, 1, 2.0**-4), (5, 2, 2, 2.0**-6), (4, 1, 2, 0.05), (5, 3, 1, 2.0**-3)],
)
def test_verdict_against_the_dense_hessian(classes, layers, samples, decay):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=decay)
    certificate = t4(problem)
    factors = balanced_factors(collapse(problem).logits, problem, np.random.default_rng(0))
    values = np.linalg.eigvalsh(dense_hessian(factors, problem))
    negative = int((values < -1e-6 * decay).sum())
    assert certificate.numbers["negative"] == negative
    assert certificate.holds == (negative == 0)
    assert certificate.numbers["minimum_over_decay"] * decay == pytest.approx(values[0], abs=1e-6 * decay)


@pytest.mark.parametrize("classes", [2, 3, 4, 7, 11])
@pytest.mark.parametrize("layers", [2, 3, 5])
def test_the_threshold_is_where_the_verdict_changes(classes, layers):
    problem = Problem(classes=classes, layers=layers, samples=2)
    limit = t4(problem).numbers["decay_max"]
    below = t4(problem.replace(decay=0.999 * limit))
    assert below.holds is True
    above = t4(problem.replace(decay=1.001 * limit))
    assert above.holds is (None if classes == 2 else False)  # two classes: collapse ends where it would turn unstable
    assert below.check().agrees
    assert above.check().agrees is (None if classes == 2 else True)


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
@pytest.mark.parametrize("layers", [2, 5])
def test_the_hypothesis_is_the_decay_of_a_proof_and_not_the_conclusion(classes, layers):
    problem = Problem(classes=classes, layers=layers, samples=3)
    numbers = t4(problem).numbers
    assert numbers["decay_proof"] < numbers["decay_max"]
    scale = collapse(problem.replace(decay=numbers["decay_proof"])).scales[0]
    right = np.exp(scale) / (np.exp(scale) + classes - 1)
    assert scale * right == pytest.approx(classes * (layers - 1) / (layers + 1))
    assert t4(problem.replace(decay=0.999 * numbers["decay_proof"])).applies
    between = t4(problem.replace(decay=(numbers["decay_proof"] * numbers["decay_max"]) ** 0.5))
    assert (between.applies, between.holds) == (False, True)


@pytest.mark.parametrize(
    ("classes", "layers", "samples"), [(2, 2, 1), (2, 4, 2), (3, 2, 2), (3, 3, 1), (4, 2, 1), (4, 4, 1), (5, 3, 1)]
)
def test_where_the_proof_applies_the_dense_hessian_is_semidefinite(classes, layers, samples):
    problem = Problem(classes=classes, layers=layers, samples=samples)
    at = problem.replace(decay=0.999 * t4(problem).numbers["decay_proof"])
    factors = balanced_factors(collapse(at).logits, at, np.random.default_rng(0))
    assert np.linalg.eigvalsh(dense_hessian(factors, at))[0] > -1e-9


@settings(max_examples=50)
@given(st.integers(2, 7), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_bound_of_the_proof_in_random_directions(classes, layers, seed):
    """2 sum ||sym Y_l||^2 + (alpha P / K) ||Y||^2 - tr(Y Y) is not negative at alpha P = K (L - 1) / (L + 1)."""
    parts = np.random.default_rng(seed).standard_normal((layers + 1, classes, classes))
    parts[:] = parts if seed % 2 else parts[0] + parts[0].T  # equal and symmetric ones attain the bound
    total = parts.sum(axis=0)
    symmetric = 0.5 * (parts + parts.transpose(0, 2, 1))
    form = 2 * np.square(symmetric).sum() + (layers - 1) / (layers + 1) * np.square(total).sum()
    form -= np.trace(total @ total)
    assert form >= -1e-9 * np.square(parts).sum()


def test_the_paper_s_own_setting_is_covered():
    certificate = t4(Problem(classes=10, layers=2, samples=5, width=70))
    assert (certificate.applies, certificate.holds) == (True, True)


def test_one_layer_needs_no_smaller_decay_than_collapse():
    for decay in (0.166, 2.0**-10):
        assert t4(Problem(classes=6, layers=1, decay=decay)).applies


@settings(max_examples=40)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 20), st.floats(-60, -1))
def test_what_applies_holds(classes, layers, samples, log_decay):
    certificate = t4(Problem(classes=classes, layers=layers, samples=samples, decay=2.0**log_decay))
    assert certificate.holds is True or not certificate.applies


def test_one_layer_is_stable_wherever_it_exists():
    assert t4(Problem(classes=6, layers=1, decay=0.166)).holds is True
    assert t4(Problem(classes=6, layers=1, decay=0.167)).holds is None


def test_many_classes_are_strict_saddles_at_every_practical_decay():
    certificate = t4(Problem(classes=100, layers=3, width=128, decay=2.0**-20))
    assert (certificate.applies, certificate.holds) == (False, False)
    assert certificate.numbers["negative"] >= 100 * 97 / 2
    assert certificate.numbers["log10_decay_max"] == pytest.approx(-20.865, abs=1e-3)
    assert certificate.check().method == "curvature along one explicit direction"
    assert certificate.check().agrees


@settings(max_examples=25)
@given(st.integers(4, 9), st.integers(1, 5), st.integers(1, 3), st.floats(-14, -4))
def test_exchange_curvature_is_the_second_difference_of_the_loss(classes, layers, samples, log_decay):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**log_decay)
    try:
        point = collapse(problem)
    except ArithmeticError:
        return
    direction, step = np.zeros((classes, classes)), 1e-2
    direction[0, 2] = direction[1, 3] = direction[2, 0] = direction[3, 1] = 1
    direction[0, 3] = direction[1, 2] = direction[3, 0] = direction[2, 1] = -1
    losses = [logits_objective(point.logits + shift * direction, problem) for shift in (-step, 0.0, step)]
    difference = (losses[0] - 2 * losses[1] + losses[2]) / step**2 / problem.mean_decay
    exact = _exchange_curvature(point.scales[0], problem)
    assert difference == pytest.approx(exact, rel=1e-2, abs=1e-2)


def test_factor_decays_change_eigenvalues_not_signs():
    shared = Problem(classes=7, layers=3, decay=2.0**-4)
    unequal = shared.replace(decay=(2.0**-2, 2.0**-5, 2.0**-5, 2.0**-4))
    assert t4(unequal).numbers == t4(shared).numbers
    factors = balanced_factors(collapse(unequal).logits, unequal)
    values = np.linalg.eigvalsh(dense_hessian(factors, unequal))
    assert int((values < -1e-6 * 2.0**-4).sum()) == collapse_spectrum(shared).negative == 14


def test_no_collapse_no_claim():
    for problem in (Problem(classes=10, layers=2, decay=0.3), Problem(classes=10, layers=2, width=8)):
        certificate = t4(problem)
        assert certificate.holds is None
        assert certificate.notes == ("there is no DNC point at this decay and width",)
