import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from curvature.oracle import repeated, torch_eigenvalues
from deepcollapse.curvature import balanced_spectrum, collapse_spectrum
from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.ufm import Problem, balanced_factors, collapse


def fold(classes, layers):
    """Scale where the two roots meet: alpha P = (L - 1) / M."""
    share = (layers - 1) / (layers + 1)
    return brentq(lambda alpha: alpha / (1 + (classes - 1) * np.exp(-alpha)) - share, 0.0, classes)


def problem_at(scale, *, classes, layers, samples=1, width=None):
    """The problem for whose decay a scale is critical: decay n^(1/M) = alpha^((L-1)/M) / (K - 1 + e^alpha)."""
    factors = layers + 1
    decay = scale ** ((layers - 1) / factors) / (classes - 1 + math.exp(scale)) / samples ** (1 / factors)
    return Problem(classes=classes, layers=layers, samples=samples, width=width, decay=decay)


def drawn(seed):
    """Random sizes of at most 300 parameters, every decay from just below the fold's to tiny."""
    rng = np.random.default_rng(seed)
    while True:
        classes, layers, samples = (int(rng.integers(low, high)) for low, high in [(2, 9), (1, 5), (1, 4)])
        width = classes - 1 + int(rng.integers(0, 4))
        if classes * width + (layers - 1) * width**2 + width * classes * samples <= 300:
            break
    scale = fold(classes, layers) * 1.02 + rng.uniform(0.05, 12.0) * rng.uniform()
    return problem_at(scale, classes=classes, layers=layers, samples=samples, width=width)


def assert_equals_dense(problem, *, scale=None):
    alpha = collapse(problem).scales[0] if scale is None else scale
    logits = alpha * (np.eye(problem.classes) - 1 / problem.classes)
    dense = torch_eigenvalues(balanced_factors(logits, problem, np.random.default_rng(1)), problem)
    found = collapse_spectrum(problem, scale=scale)
    assert found.parameters == dense.size
    assert np.abs(repeated(found) - dense).max() < 1e-6 * problem.mean_decay
    assert found.negative == (dense < -1e-6 * problem.mean_decay).sum()
    assert found.trace == pytest.approx(dense.sum(), rel=1e-9)
    assert found.frobenius_norm == pytest.approx(np.linalg.norm(dense), rel=1e-9)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_random_problems_equal_the_dense_hessian(seed):
    assert_equals_dense(drawn(seed))


def test_the_random_problems_cover_the_edges():
    problems = [drawn(seed) for seed in range(40)]
    assert {2, 3, 8} <= {p.classes for p in problems}
    assert {1, 4} <= {p.layers for p in problems}
    assert {-1, 0, 1} <= {p.d - p.classes for p in problems}
    assert {1, 3} <= {p.class_samples[0] for p in problems}
    verdicts = {collapse_spectrum(p).verdict for p in problems}
    assert verdicts == {"Morse-Bott minimum", "strict saddle"}


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_small_sizes_equal_the_dense_hessian(classes, samples, layers):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=2.0**-9)
    assert_equals_dense(problem)


def test_the_unstable_reference():
    found = assert_equals_dense(Problem(classes=7, layers=3, width=7, decay=2.0**-4))
    assert (found.negative, found.verdict) == (14, "strict saddle")


def test_the_largest_reference():
    found = assert_equals_dense(Problem(classes=8, layers=4, width=8))
    assert (found.nullity, found.verdict) == (112, "Morse-Bott minimum")


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("layers", [2, 3])
def test_the_smaller_root_is_a_saddle(classes, layers):
    scale = 0.4 * fold(classes, layers)
    problem = problem_at(scale, classes=classes, layers=layers, samples=2, width=classes + 1)
    assert assert_equals_dense(problem, scale=scale).verdict == "strict saddle"


@given(
    classes=st.integers(2, 3000),
    layers=st.integers(1, 8),
    samples=st.integers(1, 10_000),
    extra=st.integers(-1, 5000),
    margin=st.floats(0.1, 600.0),
)
def test_multiplicities_add_up(classes, layers, samples, extra, margin):
    width = classes + extra
    scale = min(fold(classes, layers) + margin, 650.0)  # e^scale stays finite in the definition of the decay
    problem = problem_at(scale, classes=classes, layers=layers, samples=samples, width=width)
    found = collapse_spectrum(problem, scale=scale)
    total = classes * width + (layers - 1) * width**2 + width * classes * samples
    rank = classes - 1
    assert found.parameters == total
    assert found.nullity >= layers * (rank * (width - rank) + rank * (rank - 1) // 2) == found.solution_dimension


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_it_equals_the_width_rule_at_sizes_beyond_a_dense_hessian(layers):
    problem = Problem(classes=9, layers=layers, samples=7, width=300, decay=2.0**-12)
    closed, ruled = collapse_spectrum(problem), balanced_spectrum(collapse(problem).logits, problem)
    assert closed.multiplicities.tolist() == ruled.multiplicities.tolist()
    assert closed.eigenvalues == pytest.approx(ruled.eigenvalues, abs=1e-9 * problem.mean_decay)


def test_a_thousand_classes():
    found = collapse_spectrum(Problem(classes=1000, layers=3, width=4096, samples=5, decay=2.0**-20))
    assert found.parameters == 1000 * 4096 + 2 * 4096**2 + 4096 * 5000
    assert (found.negative, found.nullity) == (1000 * 997 // 2, 3 * (999 * 4096 - 999 * 500))


def test_multiplicities_beyond_32_bits():
    problem = Problem(classes=3, layers=3, width=10**9, decay=2.0**-10)
    assert collapse_spectrum(problem).parameters == 3 * 10**9 + 2 * 10**18 + 3 * 10**9


def test_equal_decays_per_factor_are_one_decay():
    problem = Problem(classes=4, layers=2, decay=(0.01, 0.01, 0.01))
    assert collapse_spectrum(problem).verdict == collapse_spectrum(problem.replace(decay=0.01)).verdict


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 2}, "width: expected at least the rank K - 1 = 3 of collapse, but found 2; widen"),
        ({"loss": "mse"}, "loss: expected \"ce\" for the closed form, but found 'mse'; use balanced_spectrum"),
        (
            {"activation": "relu"},
            "activation: expected \"linear\" for the closed form, but found 'relu'; use extreme_eigenvalues",
        ),
        (
            {"samples": (1, 2, 1, 1)},
            "samples: expected equally many per class .*found several numbers; use balanced_spectrum",
        ),
        (
            {"decay": (0.01, 0.02, 0.01)},
            "decay: expected one number for the closed form, but found 2 different ones; use balanced_spectrum",
        ),
    ],
)
def test_other_problems_are_refused(changes, message):
    problem = Problem(classes=4, layers=2, decay=0.01).replace(**changes)
    with pytest.raises(InvalidInputError, match=message):
        collapse_spectrum(problem)


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_no_collapse_at_this_decay(layers):
    with pytest.raises(UndefinedError, match=r"expected a decay below .*lower the decay"):
        collapse_spectrum(Problem(classes=4, layers=layers, decay=0.6))


@pytest.mark.parametrize("scale", [0.0, -1.0, 3.0, math.nan, math.inf])
def test_a_scale_that_is_not_critical(scale):
    with pytest.raises(InvalidInputError, match=r"scale: expected a critical one .* leave it out for the minimum"):
        collapse_spectrum(Problem(classes=4, layers=2), scale=scale)
