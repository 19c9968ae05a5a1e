"""The verdict on a head, at points of the feature model whose verdict is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.networks import head_verdict
from deepcollapse.networks.verdict import resembled_structure
from deepcollapse.ufm import Problem, balanced_factors, collapse, gaussian_factors, structure, structures
from deepcollapse.ufm.relu_networks import relu_triangular

PAPER = Problem(classes=10, samples=4, layers=3, width=16, decay=(5e-3 / 4, 5e-3, 5e-3, 5e-3))


@pytest.mark.parametrize("name", ["simplex", "paired", "T5", "partition-2-2-2-4", "partition-2-8"])
def test_structures_are_recognised(name: str):
    known = structure(name, PAPER)
    order = np.random.default_rng(0).permutation(10)
    logits = known.logits[np.ix_(order, order)]
    found = head_verdict(balanced_factors(logits, PAPER, np.random.default_rng(1)), PAPER)
    assert found.structure == name
    assert found.objective == pytest.approx(known.loss, rel=1e-12)
    assert found.dnc_bound == pytest.approx(0.242197705457, abs=5e-13)
    assert found.below_bound == (name != "simplex")
    assert (found.best_structure, found.best_structure_loss) == ("T5", pytest.approx(0.184475345056, abs=1e-12))
    assert (found.ranks.paper, found.ranks.scale_free) == (known.rank, known.rank)
    np.testing.assert_allclose(found.logits, logits, rtol=0, atol=1e-12 * np.abs(logits).max())
    np.testing.assert_allclose(2 * found.singular_values[: known.rank], known.singular_values, rtol=1e-12)
    assert found.within_class < 1e-13
    assert found.imbalance < 1e-12


def test_weak_singular_values_count_by_the_paper_rule_only():
    logits = structure("paired", PAPER).logits + 1e-4 * (np.eye(10) - 0.1)
    found = head_verdict(balanced_factors(logits, PAPER), PAPER)
    assert (found.ranks.paper, found.ranks.scale_free) == (9, 5)
    assert found.structure == "paired"


@settings(max_examples=30)
@given(st.sampled_from([(4, 2), (5, 2), (7, 3), (10, 3), (10, 1)]), st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_noise_and_scale_do_not_change_the_name(sizes: tuple[int, int], seed: int, scale: float):
    problem = Problem(classes=sizes[0], layers=sizes[1])
    known = [s for s in structures(problem) if s.rank > 0]
    rng = np.random.default_rng(seed)
    chosen = known[rng.integers(len(known))]
    order = rng.permutation(problem.classes)
    noise = rng.standard_normal(chosen.logits.shape)
    noisy = chosen.logits + 0.02 * np.linalg.norm(chosen.logits) * noise / np.linalg.norm(noise)
    if scale * np.linalg.norm(chosen.logits) > 0.1 * max(np.linalg.norm(s.logits) for s in known):
        assert resembled_structure(scale * noisy[np.ix_(order, order)], tuple(known)) == chosen.name


def test_named_structures_of_ten_classes_are_further_apart_than_the_tolerance():
    known = tuple(s for s in structures(PAPER) if s.rank > 0)
    for one in known:
        others = tuple(s for s in known if s.name != one.name)
        assert resembled_structure(one.logits, others) is None


def test_other_logits_have_no_name():
    known = structures(PAPER)
    rng = np.random.default_rng(4)
    for rank in (2, 3, 5, 9):
        logits = rng.standard_normal((10, rank)) @ rng.standard_normal((rank, 10))
        assert resembled_structure(10 * logits, known) is None


def test_small_logits_are_zero():
    known = structures(PAPER)
    tiny = 1e-3 * np.random.default_rng(5).standard_normal((10, 10))
    assert resembled_structure(tiny, known) == "zero"
    factors = tuple(1e-3 * f for f in gaussian_factors(PAPER, np.random.default_rng(6)))
    found = head_verdict(factors, PAPER)
    assert (found.structure, found.below_bound) == ("zero", False)
    assert found.objective == pytest.approx(np.log(10), rel=1e-4)


def test_a_relu_head_is_held_against_the_linear_bound():
    problem = Problem(classes=10, layers=3, width=12, activation="relu")
    network = relu_triangular(problem)
    found = head_verdict(network.factors, problem)
    linear = collapse(problem.replace(activation="linear"))
    assert found.dnc_bound == pytest.approx(linear.loss, rel=1e-14)
    assert found.objective == pytest.approx(network.loss, rel=1e-12)
    assert found.below_bound
    assert found.structure == "T5"


def test_without_a_bound_there_is_no_verdict():
    heavy = PAPER.replace(decay=0.2)
    with pytest.raises(UndefinedError, match=r"simplex: scale: expected a decay below .* lower the decay"):
        head_verdict(gaussian_factors(heavy, np.random.default_rng(0)), heavy)


def test_factors_must_fit():
    factors = gaussian_factors(PAPER, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=r"factors: expected shapes"):
        head_verdict(factors[:-1], PAPER)
    with pytest.raises(InvalidInputError, match=r"factors: expected finite entries"):
        head_verdict((np.nan * factors[0], *factors[1:]), PAPER)
