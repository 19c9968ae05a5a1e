import math
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.curvature import collapse_spectrum, dense_hessian
from deepcollapse.theory.t6 import hessian_trace, norm_ratios, t6, trace_ratio_limit
from deepcollapse.ufm import Problem, balanced_factors, structure
from deepcollapse.ufm.structures import simplex


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_trace_against_the_dense_hessian_at_any_balanced_factors(classes, layers, samples, extra, seed):
    problem = Problem(classes=classes, layers=layers, samples=samples, width=classes + extra, decay=0.01)
    generator = np.random.default_rng(seed)
    rank = generator.integers(1, classes + 1)
    logits = generator.standard_normal((classes, rank)) @ generator.standard_normal((rank, classes))
    trace = np.trace(dense_hessian(balanced_factors(logits, problem, generator), problem))
    assert hessian_trace(logits, problem) == pytest.approx(trace, rel=1e-9)


@pytest.mark.parametrize(("classes", "layers", "samples"), [(4, 2, 1), (6, 3, 2), (8, 1, 3), (10, 2, 5)])
def test_limit_of_the_trace_ratio(classes, layers, samples):
    """Take the parameters' share off both traces: what is left, per unit of scale, has the limit's ratio."""
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**-26)
    growths = []
    for name in ("simplex", "paired"):
        point = structure(name, problem)
        share = problem.decay * collapse_spectrum(problem).parameters
        growths.append((hessian_trace(point.logits, problem) - share) / point.scales[0])
    assert trace_ratio_limit(problem) == pytest.approx(growths[0] / growths[1], rel=1e-5)


def test_reference_limit():
    """[2n(K-1) + 2L(K-1)^2/K] / [K(L+1+2n)] at K = 10, n = 5, L = 2."""
    assert trace_ratio_limit(Problem(classes=10, layers=2, samples=5)) == pytest.approx(122.4 / 130)
    assert trace_ratio_limit(Problem(classes=9, layers=2)) is None


@pytest.mark.parametrize("classes", [4, 5, 6])
def test_norm_ratios_against_dense_hessians(classes):
    problem = Problem(classes=classes, layers=2, width=classes + 1, decay=2.0**-8)
    values = []
    for name in ("simplex", "paired"):
        factors = balanced_factors(structure(name, problem).logits, problem)
        values.append(np.linalg.eigvalsh(dense_hessian(factors, problem)))
    ratios = norm_ratios(problem)
    assert ratios["trace"] == pytest.approx(values[0].sum() / values[1].sum(), rel=1e-9)
    assert ratios["frobenius"] == pytest.approx(np.linalg.norm(values[0]) / np.linalg.norm(values[1]), rel=1e-9)
    assert ratios["operator"] == pytest.approx(np.abs(values[0]).max() / np.abs(values[1]).max(), rel=1e-9)


def test_certificate():
    certificate = t6(Problem(classes=6, layers=2, samples=2, width=9))
    assert (certificate.applies, certificate.holds) == (True, True)
    ratios = [row["trace"] for row in certificate.numbers["ratios"]]
    limit = certificate.numbers["trace_ratio_limit"]
    assert [row["decay"] for row in certificate.numbers["ratios"]] == [2.0**-10, 2.0**-18, 2.0**-26]
    gaps = [abs(ratio - limit) for ratio in ratios]
    assert gaps == sorted(gaps, reverse=True)


def test_outside_what_is_computed():
    assert norm_ratios(Problem(classes=6, layers=2, decay=0.5)) is None
    large = t6(Problem(classes=40, layers=2))
    assert (large.holds, large.numbers["ratios"]) == (None, [])
    assert large.numbers["trace_ratio_limit"] == pytest.approx((2 * 39 + 4 * 39**2 / 40) / (40 * 5))
    odd = t6(Problem(classes=5, layers=2))
    assert odd.notes == ("the limit is known in closed form for even K only",)
    assert odd.holds is True
    assert t6(Problem(classes=3, layers=2)).holds is None


@pytest.mark.parametrize("log_decay", [-12, -30, -60])
def test_small_decays_have_three_ratios_and_a_verdict(log_decay):
    certificate = t6(Problem(classes=4, layers=2, decay=2.0**log_decay))
    assert len(certificate.numbers["ratios"]) == 3
    assert certificate.holds is True
    assert certificate.check().agrees


def test_the_check_measures_the_limit_where_spectra_are_too_large(monkeypatch):
    certificate = t6(Problem(classes=30, layers=2))
    check = certificate.check()
    assert certificate.numbers["ratios"] == []
    assert check.agrees is True
    limit = certificate.numbers["trace_ratio_limit"]
    assert [row["growth"] for row in check.numbers.values()][-1] == pytest.approx(limit, rel=1e-4)
    monkeypatch.setattr(import_module("deepcollapse.theory.t6"), "trace_ratio_limit", lambda _: 1.01 * limit)
    assert t6(Problem(classes=30, layers=2)).check().agrees is False


def test_without_a_limit_or_ratios_the_check_compares_nothing():
    assert t6(Problem(classes=31, layers=2)).check().agrees is None


def test_trace_keeps_its_digits_where_the_softmax_is_one_to_rounding():
    """Collapse, L = 1, q = P(one wrong class): S_0^2 = scale S, and one factor's block is I, the other's rows of S."""
    problem, k, scale = Problem(classes=4, layers=1, decay=2.0**-90), 4, 50.0
    q = math.exp(-scale) / (1 + (k - 1) * math.exp(-scale))
    row, own = scale * (k - 1) / k, 1 - (k - 1) * q
    spread = 2 * scale * (k - 1) * q - scale * q**2 * k * (k - 1)  # |a_i - a_k|^2 = 2 scale; |sum q (a_i - a_k)|^2
    curved = (k - 1) * q * (1 - q) + own * (k - 1) * q  # tr(diag p - p p^T)
    expected = spread + row * curved
    share = problem.decay * collapse_spectrum(problem).parameters
    found = hessian_trace(simplex(problem).matrix((scale,)), problem) - share
    assert found == pytest.approx(expected, rel=1e-9)
