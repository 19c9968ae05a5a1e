"""Distances to the named structures against all permutations, and recognition of disturbed ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.metrics import structure_distances
from deepcollapse.metrics.class_matching import best_fits, combination
from deepcollapse.ufm import Problem, collapse, structures
from metrics.oracle import loop_structure_distance, simplex_gram

SEEDS = st.integers(0, 2**32).map(np.random.default_rng)
PAIR = np.array([[1.0, -1.0], [-1.0, 1.0]])


def named(classes: int, decay: float = 1e-6) -> dict[str, np.ndarray]:
    """Logits of every named structure at one decay, but zero and the trial point."""
    found = structures(Problem(classes=classes, layers=1, decay=decay))
    return {known.name: known.logits for known in found if known.name not in ("zero", "paired-trial")}


def mixed(logits: np.ndarray, rng: np.random.Generator, noise: float = 0.0) -> np.ndarray:
    """At another scale, in another class order, with constants along columns and noise of this relative size."""
    order = rng.permutation(len(logits))
    other = rng.standard_normal(logits.shape)
    other -= other.mean(axis=0)
    moved = logits[np.ix_(order, order)] / np.linalg.norm(logits) + noise * other / np.linalg.norm(other)
    return 10.0 ** rng.integers(-6, 6) * (moved + rng.standard_normal(len(logits)))


@given(SEEDS, st.sampled_from([2, 3, 4, 10, 40]), st.integers(-9, 9))
def test_the_simplex_distance_is_its_definition(rng: np.random.Generator, classes: int, exponent: int):
    logits = rng.standard_normal((classes, classes))
    centred = logits - logits.mean(axis=0)
    expected = np.linalg.norm(centred / np.linalg.norm(centred) - simplex_gram(classes))
    found = structure_distances(10.0**exponent * logits)
    assert found.simplex == pytest.approx(expected, rel=1e-11)
    assert found.distances["simplex"] == found.simplex


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([4, 5]))
def test_few_classes_are_compared_in_every_order(rng: np.random.Generator, classes: int):
    logits = rng.standard_normal((classes, classes)) + 2.0 * np.eye(classes)
    found = structure_distances(logits).distances
    circle = np.cos(2 * np.pi * (np.arange(classes)[:, None] - np.arange(classes)) / classes)
    block = np.zeros((2, 5, 5))
    block[0, :2, :2], block[1, 2:, 2:] = PAIR, np.eye(3) - 1 / 3
    parts = (
        {"paired": [np.kron(np.eye(2), PAIR)]} if classes == 4 else {"circle": [circle], "partition-2-3": list(block)}
    )
    for name, of in parts.items():
        # 2001 angles miss the best by up to 4e-4, which costs half its square in the correlation
        assert found[name] == pytest.approx(loop_structure_distance(logits, of), abs=1e-6)


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([4, 5, 6, 7, 10]), st.sampled_from([0.0, 1e-3, 0.1]))
def test_structures_are_recognised_in_any_order_scale_and_column_constants(rng, classes: int, noise: float):
    known = named(classes)
    name = str(rng.choice(list(known)))
    found = structure_distances(mixed(known[name], rng, noise))
    assert found.nearest == name == next(iter(found.distances))
    # at equal norm noise e moves a unit vector by at most e / (1 - e); constants of order one round it by 1e-15
    assert found.distances[name] <= noise / (1 - noise) + 1e-13
    assert sorted(found.distances.values()) == list(found.distances.values())


@pytest.mark.parametrize("classes", [12, 15, 21, 32])
def test_structures_of_many_classes_are_recognised(classes: int):
    rng = np.random.default_rng(classes)
    for name, logits in named(classes).items():
        found = structure_distances(mixed(logits, rng, 0.05))
        assert found.nearest == name
        assert found.distances[name] <= 0.06


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 8, 10])
def test_zero_on_the_exact_simplex(classes: int):
    found = structure_distances(collapse(Problem(classes=classes, layers=2, decay=1e-4)).logits)
    assert found.nearest == "simplex"
    assert found.simplex <= 1e-15 * classes
    assert found.rank == classes - 1


def test_the_frame_of_the_squared_error_is_the_simplex_here():
    assert structure_distances(np.eye(5)).simplex <= 1e-15
    assert structure_distances(-np.eye(5)).simplex == pytest.approx(2.0, rel=1e-15)


def test_scales_of_groups_are_free_but_positive():
    logits = np.zeros((5, 5))
    logits[:2, :2], logits[2:, 2:] = PAIR, 7 * (np.eye(3) - 1 / 3)
    assert structure_distances(logits).distances["partition-2-3"] == pytest.approx(0.0, abs=1e-15)
    logits[:2, :2] *= -1.0
    # the pair counts nothing: the cosine is the share of the other group
    cosine = 7 * math.sqrt(2) / math.sqrt(4 + 98)
    assert structure_distances(logits).distances["partition-2-3"] == pytest.approx(math.sqrt(2 - 2 * cosine), rel=1e-12)


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([2, 3, 6]))
def test_invariant_under_scaling_columns_and_class_names(rng: np.random.Generator, classes: int):
    logits, order = rng.standard_normal((classes, classes)), rng.permutation(classes)
    moved = 3.0 * (logits + rng.standard_normal(classes))[np.ix_(order, order)]
    one, other = structure_distances(logits), structure_distances(moved)
    assert one.rank == other.rank
    for name, distance in one.distances.items():
        assert other.distances[name] == pytest.approx(distance, rel=1e-9, abs=1e-12)


def test_a_constant_along_a_row_is_no_constant_along_a_column():
    logits = np.kron(np.eye(2), PAIR) + np.array([[3.0], [0.0], [0.0], [0.0]])
    assert structure_distances(logits).distances["paired"] > 0.5
    assert structure_distances(np.kron(np.eye(2), PAIR) + np.array([3.0, 0.0, 0.0, 0.0])).distances["paired"] < 1e-14


def test_every_distance_is_attained_by_an_order():
    rng = np.random.default_rng(0)
    matrix, pattern = rng.standard_normal((9, 9)), rng.standard_normal((1, 2, 9, 9))
    orders, fits = best_fits(matrix, pattern)
    moved = matrix[np.ix_(orders[0], orders[0])]
    np.testing.assert_allclose(fits[0], (moved * pattern[0]).sum(axis=(1, 2)), rtol=1e-12)
    swaps = [orders[0].copy() for _ in range(36)]
    for order, (i, j) in zip(swaps, zip(*np.triu_indices(9, k=1), strict=True), strict=True):
        order[[i, j]] = order[[j, i]]
    for order in swaps:  # no swap of two classes is better
        values = (matrix[np.ix_(order, order)] * pattern[0]).sum(axis=(1, 2))
        assert values @ combination(values) <= fits[0] @ combination(fits[0]) + 1e-9


def test_combination_is_the_best_one_with_positive_weights():
    values = np.array([[3.0, 4.0], [3.0, -4.0], [-1.0, -2.0]])
    np.testing.assert_allclose(combination(values), [[0.6, 0.8], [1.0, 0.0], [1.0, 0.0]], rtol=1e-15)


def test_many_classes_meet_the_simplex_only():
    found = structure_distances(np.eye(200))
    assert (list(found.distances), found.nearest, found.rank) == (["simplex"], None, 199)
    assert found.simplex <= 1e-13


def test_undefined_and_bad_input():
    for rtol in (-1.0, 1.0, float("nan")):
        with pytest.raises(InvalidInputError, match="rtol: expected a share from 0 to below 1, but found"):
            structure_distances(np.eye(4), rtol=rtol)
    for constant in (np.zeros((4, 4)), np.ones((4, 4)) * [1e6, 0.1, 3.0, 4.0]):
        with pytest.raises(UndefinedError, match="logits: expected columns that vary, but found 4 constant ones"):
            structure_distances(constant)
    with pytest.raises(InvalidInputError, match=r"logits: expected a square matrix, .* but found \(2, 3\)"):
        structure_distances(np.ones((2, 3)))
    for wrong in (np.ones(4), np.ones((2, 2, 2))):
        with pytest.raises(InvalidInputError, match="logits: expected a matrix of numbers"):
            structure_distances(wrong)
    with pytest.raises(InvalidInputError, match="logits: expected finite entries"):
        structure_distances(np.full((2, 2), np.nan))
