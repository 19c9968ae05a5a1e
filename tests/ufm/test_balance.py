import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, balanced_factors, gradient, read_factors, structures

seeds = st.integers(0, 2**32 - 1)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 3), seeds)
def test_reading_inverts_factorising(classes, layers, extra, seed):
    generator = np.random.default_rng(seed)
    samples = tuple(generator.integers(1, 4, classes).tolist())
    decays = tuple(np.exp(generator.standard_normal(layers + 1)).tolist())
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=decays, width=classes + extra)
    logits = generator.standard_normal((classes, classes))
    reading = read_factors(balanced_factors(logits, problem, generator), problem)
    np.testing.assert_allclose(reading.logits, logits, atol=1e-11)
    full = np.linalg.svd(np.repeat(logits, samples, axis=1), compute_uv=False)
    np.testing.assert_allclose(reading.singular_values, full, atol=1e-11)
    assert reading.imbalance < 1e-11
    assert reading.within_class < 1e-12


def test_random_factors_are_not_balanced_nor_collapsed():
    generator, problem = np.random.default_rng(0), Problem(classes=3, layers=2, samples=4, width=5)
    factors = tuple(generator.standard_normal(s) for s in ((5, 12), (5, 5), (3, 5)))
    reading = read_factors(factors, problem)
    assert reading.imbalance > 0.1
    assert reading.within_class > 0.1


@given(seeds)
def test_the_gauge_changes_factors_but_neither_logits_nor_loss(seed):
    problem = Problem(classes=4, layers=3, width=6)
    logits = np.random.default_rng(seed).standard_normal((4, 4))
    one, other = (balanced_factors(logits, problem, np.random.default_rng(seed + k)) for k in range(2))
    assert np.abs(one[0] - other[0]).max() > 1e-3
    np.testing.assert_allclose(read_factors(one, problem).logits, read_factors(other, problem).logits, atol=1e-11)


@pytest.mark.parametrize("decay", [2.0**-10, (2.0**-9, 2.0**-12, 2.0**-9)])
def test_gradient_vanishes_at_critical_structures_and_only_there(decay):
    problem = Problem(classes=7, layers=2, samples=2, width=9, decay=decay)
    for known in structures(problem):
        factors = balanced_factors(known.logits, problem, np.random.default_rng(0))
        size = np.sqrt(sum((g**2).sum() for g in gradient(factors, problem)))
        assert (size < 1e-11) == known.critical, known.name


def test_rank_above_width_is_refused():
    with pytest.raises(
        InvalidInputError, match=r"width: expected at least the rank 3 of the logits, but found 2; widen"
    ):
        balanced_factors(np.eye(4) - 0.25, Problem(classes=4, layers=2, width=2))


def test_zero_logits_have_zero_factors():
    problem = Problem(classes=3, layers=2, width=4)
    factors = balanced_factors(np.zeros((3, 3)), problem, np.random.default_rng(0))
    assert not any(f.any() for f in factors)
    assert read_factors(factors, problem).imbalance == 0.0
