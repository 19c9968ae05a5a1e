from itertools import permutations

import numpy as np
import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.simulate.classify import nameable
from deepcollapse.simulate.nearest import distance_min, nearest
from deepcollapse.ufm import Problem, structure


def shuffled(logits, generator):
    order = generator.permutation(len(logits))
    return logits[np.ix_(order, order)]


def distance(logits, target):
    """Over all K! class orders."""
    orders = (np.ix_(p, p) for p in permutations(range(len(logits))))
    return min(np.linalg.norm(logits[order] - target) for order in orders)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
@pytest.mark.parametrize("noise", [0.0, 0.1, 3.0])
def test_the_bound_is_below_the_distance_at_the_best_class_order(k, noise):
    generator = np.random.default_rng(k)
    for _ in range(5):
        target = generator.normal(size=(k, k))
        logits = shuffled(target, generator) + noise * generator.normal(size=(k, k))
        exact = distance(logits, target)
        assert distance_min(logits, target) <= exact + 1e-12
        if noise == 0:
            assert exact == pytest.approx(0.0, abs=1e-12)
        else:
            assert distance_min(logits, target) > 0


def test_the_bound_may_be_zero_between_different_matrices():
    """A matrix and its transpose: the same singular values, diagonals and other entries."""
    one = np.roll(np.eye(3), 1, axis=0) + np.diag([1.0, 2.0, 3.0])
    assert distance_min(one, one.T) == pytest.approx(0.0, abs=1e-12)
    assert distance(one, one.T) > 1


@pytest.mark.parametrize("k", [4, 5, 6])
def test_the_nearest_is_the_one_that_all_class_orders_tell(k):
    generator, known = np.random.default_rng(0), nameable(Problem(classes=k, layers=2))
    units = {name: np.linalg.norm(s.logits) or np.sqrt(k) for name, s in known}
    for name, target in known:
        noise = generator.normal(size=(k, k))
        logits = shuffled(target.logits, generator) + 0.1 * units[name] * noise / np.linalg.norm(noise)
        found = nearest(logits, known, loss=1.0)
        exact = {n: distance(logits, s.logits) / units[n] for n, s in known}
        assert exact[found.name] == pytest.approx(min(exact.values()), rel=1e-9)
        assert found.distance_min <= exact[found.name] + 1e-12
        assert found.distance_min == pytest.approx(0.1, rel=0.5)  # the bound keeps half of the distance at least
        assert found.loss_gap == 1.0 - dict(known)[found.name].loss


def test_of_two_names_for_one_structure_the_first_is_taken():
    problem = Problem(classes=6, layers=2)
    known = [(name, structure(name, problem)) for name in ("dnc", "paired", "T4")]
    for logits in (known[1][1].logits, known[2][1].logits):
        assert nearest(1.05 * logits, known, loss=1.0).name == "paired"
        assert nearest(1.05 * logits, known[::-1], loss=1.0).name == "T4"


def test_a_free_scale_compares_shapes_but_knows_zero():
    problem = Problem(classes=6, layers=2)
    known = nameable(problem)
    logits = shuffled(dict(known)["circle"].logits, np.random.default_rng(3))
    for scale in (0.1, 7.0):
        found = nearest(scale * logits, known, loss=1.0, free_scale=True)
        assert (found.name, found.distance_min) == ("circle", pytest.approx(0.0, abs=1e-9))
    assert nearest(1e-9 * np.eye(6), known, loss=1.0, free_scale=True).name == "zero"
    silent = nearest(np.zeros((6, 6)), known, loss=1.0, free_scale=True)
    assert (silent.name, silent.distance_min) == ("zero", 0.0)


def test_nothing_to_compare_with_is_refused():
    with pytest.raises(InvalidInputError, match=r"known: expected at least one structure, but found none"):
        nearest(np.eye(3), [], loss=1.0)
