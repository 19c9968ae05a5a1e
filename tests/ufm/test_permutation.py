import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError
from deepcollapse.ufm import Problem, structure
from deepcollapse.ufm.permutation import aligned, automorphisms


def brute_force(matrix):
    from itertools import permutations

    size = len(matrix)
    return sum(
        np.allclose(matrix[np.ix_(p, p)], matrix, atol=1e-6 * np.abs(matrix).max()) for p in permutations(range(size))
    )


@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_a_permuted_matrix_is_matched(size, seed, coarse):
    """Coarse matrices have few distinct entries, so that many partial matches fail late."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 2, (size, size)).astype(float) if coarse else generator.standard_normal((size, size))
    target[0, 0] = 3.0
    order = generator.permutation(size)
    matrix = target[np.ix_(order, order)] + 1e-9 * generator.standard_normal((size, size))
    found = aligned(matrix, target)
    assert found is not None
    np.testing.assert_allclose(matrix[np.ix_(found, found)], target, atol=1e-7)


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_automorphisms_equal_brute_force(size, seed):
    matrix = np.random.default_rng(seed).integers(0, 2, (size, size)).astype(float)
    matrix = matrix + matrix.T + 1.0
    assert automorphisms(matrix) == brute_force(matrix)


@pytest.mark.parametrize(
    ("name", "classes", "order"),
    [
        ("simplex", 16, math.factorial(16)),
        ("paired", 10, 2**5 * math.factorial(5)),
        ("T5", 10, math.factorial(5)),
        ("circle", 9, 18),
        ("partition-2-2-6", 10, 2**2 * 2 * math.factorial(6)),
    ],
)
def test_symmetry_groups_of_the_families(name, classes, order):
    assert automorphisms(structure(name, Problem(classes=classes, layers=2)).logits) == order


def test_same_entries_in_another_arrangement_do_not_match():
    """Two triangles against a hexagon: the same degrees, another graph."""
    triangles = np.kron(np.eye(2), 1.0 - np.eye(3))
    hexagon = np.roll(np.eye(6), 1, axis=0) + np.roll(np.eye(6), -1, axis=0)
    assert aligned(triangles, hexagon) is None
    assert aligned(triangles, triangles * 1.1) is None


def test_shapes_must_agree():
    with pytest.raises(InvalidInputError, match=r"two square matrices of one size, but found \(2, 3\) and \(2, 2\)"):
        aligned(np.zeros((2, 3)), np.zeros((2, 2)))
