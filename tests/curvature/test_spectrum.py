import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature.oracle import repeated
from deepcollapse.curvature import merged
from deepcollapse.errors import InvalidInputError, TooLargeError

rows = st.lists(
    st.tuples(st.sampled_from([-3.0, -0.5, 0.0, 0.25, 1.0, 2.0, 7.5]), st.integers(0, 5)), min_size=1
).filter(lambda pairs: any(count for _, count in pairs))


def spectrum(pairs, *, decay=1.0, dimension=0):
    values = np.array([value for value, _ in pairs], dtype=float)
    return merged(values, [count for _, count in pairs], decay=decay, solution_dimension=dimension)


@given(rows)
def test_summaries_equal_those_of_the_full_list(pairs):
    full = np.repeat([value for value, _ in pairs], [count for _, count in pairs])
    found = spectrum(pairs)
    assert np.array_equal(repeated(found), np.sort(full))
    assert np.all(np.diff(found.eigenvalues) > 0)
    assert found.parameters == full.size
    assert found.nullity == (full == 0).sum()
    assert found.negative == (full < 0).sum()
    assert found.positive_semidefinite == (full.min() >= 0)
    assert (found.minimum, found.maximum) == (full.min(), full.max())
    assert found.trace == pytest.approx(full.sum(), abs=1e-12)
    assert found.frobenius_norm == pytest.approx(np.linalg.norm(full))
    assert found.operator_norm == np.abs(full).max()


def test_values_merge_within_a_billionth_and_not_beyond():
    assert spectrum([(1.0, 2), (1.0 + 5e-10, 2)]).eigenvalues == pytest.approx([1.0 + 2.5e-10], abs=1e-15)
    assert spectrum([(1.0, 2), (1.0 + 5e-9, 2)]).multiplicities.tolist() == [2, 2]
    assert spectrum([(1000.0, 1), (1000.0 + 5e-7, 1)]).multiplicities.tolist() == [2]


def test_below_the_decay_the_decay_is_the_scale_of_merging():
    assert spectrum([(0.0, 1), (5e-13, 1)], decay=1e-3).multiplicities.tolist() == [2]
    assert spectrum([(0.0, 1), (5e-12, 1)], decay=1e-3).multiplicities.tolist() == [1, 1]


def test_zero_is_relative_to_the_decay():
    pairs = [(-2e-6, 1), (-5e-7, 2), (5e-7, 4), (2e-6, 8)]
    assert (spectrum(pairs).negative, spectrum(pairs).nullity) == (1, 6)
    small = [(1e-4 * value, count) for value, count in pairs]
    assert (spectrum(small, decay=1e-4).negative, spectrum(small, decay=1e-4).nullity) == (1, 6)


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(-0.1, 1), (0.0, 3), (1.0, 9)], "strict saddle"),
        ([(0.0, 3), (1.0, 9)], "Morse-Bott minimum"),
        ([(0.0, 4), (1.0, 9)], "degenerate"),
    ],
)
def test_verdict(pairs, verdict):
    assert spectrum(pairs, dimension=3).verdict == verdict


def test_multiplicities_beyond_32_bits_are_exact():
    found = spectrum([(0.0, 2**40 + 1), (1.0, 2**61)])
    assert found.parameters == 2**61 + 2**40 + 1
    assert found.trace == math.ldexp(1.0, 61)


@pytest.mark.parametrize("pairs", [[(math.nan, 1)], [(math.inf, 1)], [(1.0, 0)]])
def test_values_without_meaning_are_refused(pairs):
    message = r"eigenvalues: expected finite values with a positive multiplicity, but found .*; check the point"
    with pytest.raises(InvalidInputError, match=message):
        spectrum(pairs)


def test_too_many_parameters_are_refused():
    with pytest.raises(TooLargeError, match=r"expected fewer than 2\^63 parameters, but found \d+; lower the width"):
        spectrum([(0.0, 2**62), (1.0, 2**62)])


def test_fewer_zeros_than_the_solution_set_are_refused():
    message = "expected at least 4 within 1e-06 decays of zero.*but found 3; give a more accurate critical point"
    with pytest.raises(InvalidInputError, match=message):
        spectrum([(0.0, 3), (1.0, 9)], dimension=4)
