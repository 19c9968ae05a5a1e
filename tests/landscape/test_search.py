"""The search against reference minima, the families, and independent optimisers."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from deepcollapse.errors import ConvergenceError, InvalidInputError
from deepcollapse.landscape import polished, search
from deepcollapse.landscape.fixed_rank import FixedRank
from deepcollapse.ufm import Problem, logits_objective, stationarity, structures


@pytest.mark.parametrize(
    ("classes", "layers", "loss", "rank", "structure"),
    [
        (5, 2, 0.024513429, 3, "paired"),
        (6, 2, 0.028932, 3, "paired"),
        pytest.param(10, 2, 0.048938070, 5, "paired", marks=pytest.mark.slow),
        pytest.param(10, 3, 0.0398087156, 3, "unnamed", marks=pytest.mark.slow),
    ],
)
def test_reference_minima(classes, layers, loss, rank, structure):
    found = search(Problem(classes=classes, layers=layers), restarts=10)
    assert found.minimum.loss == pytest.approx(loss, abs=5e-7)
    assert (found.minimum.rank, found.minimum.structure) == (rank, structure)
    assert all(f.point.gradient_norm < 1e-10 for f in found.found)


def test_the_rank_three_code_of_ten_classes():
    found = search(Problem(classes=10, layers=3), ranks=(3,), restarts=10)
    assert found.minimum.loss == pytest.approx(0.0398087156, abs=1e-10)
    np.testing.assert_allclose(found.minimum.singular_values, [42.2099, 42.2099, 37.0542], atol=5e-5)
    assert found.found[0].automorphisms == 6


@settings(max_examples=8)
@given(
    st.integers(2, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([2.0**-10, 2.0**-6, 2.0**-4, 0.3]),
    st.sampled_from(["ce", "mse"]),
)
def test_never_above_its_families_nor_single_ranks(classes, layers, samples, decay, loss):
    problem = Problem(classes=classes, layers=layers, samples=samples, decay=decay, loss=loss)
    best = search(problem, restarts=3).minimum.loss
    assert best <= min(s.loss for s in structures(problem)) * (1 + 1e-10)
    for rank in range(1, classes):
        assert best <= search(problem, restarts=3, ranks=(rank,)).minimum.loss * (1 + 1e-10)


@pytest.mark.parametrize(
    ("classes", "layers", "decay", "structure"), [(6, 2, 2.0**-40, "paired"), (10, 3, 2.0**-26, "T5")]
)
def test_tiny_decay_keeps_its_minima(classes, layers, decay, structure):
    """Losses near the decay itself: tolerances must shrink with it."""
    problem = Problem(classes=classes, layers=layers, decay=decay)
    ranks = tuple(range(2, 5))
    found = search(problem, restarts=4, ranks=ranks)
    assert found.minimum.structure == structure
    assert found.minimum.gradient_norm < 1e-7 * decay
    assert found.minimum.loss == pytest.approx(structures(problem)[0].loss, rel=1e-10)


@pytest.mark.slow
def test_small_decay_reference():
    """At 2^-20 a rank-3 code beats the pairs of nine classes."""
    found = search(Problem(classes=9, layers=3, decay=2.0**-20), restarts=12)
    assert found.minimum.rank == 3
    assert found.minimum.loss == pytest.approx(4.8081207e-5, rel=1e-7)


def test_an_end_below_the_lowest_minimum_is_an_error(monkeypatch):
    module = importlib.import_module("deepcollapse.landscape.search")
    monkeypatch.setattr(module, "_STATIONARY", 1e-300)
    with pytest.raises(
        ConvergenceError, match=r"landscape: expected every descent below the lowest minimum .* left at"
    ):
        search(Problem(classes=4, layers=2), restarts=1)


def test_unresolved_starts_are_counted():
    """Rank-one starts of many layers crawl along flat valleys far above the minimum."""
    found = search(Problem(classes=8, layers=8), restarts=4, ranks=(1, 2))
    assert found.unresolved > 0
    assert found.minimum.structure == "circle"


def test_single_layer_has_one_minimum_and_it_is_collapse():
    """L = 1 is convex in the logits."""
    found = search(Problem(classes=6, layers=1, decay=0.01), restarts=3)
    assert [f.point.structure for f in found.found] == ["simplex"]


def test_squared_error_prefers_the_orthogonal_frame():
    found = search(Problem(classes=4, layers=3, loss="mse", decay=0.005), restarts=3)
    assert found.minimum.structure == "orthogonal-frame"


def test_large_decay_leaves_zero():
    found = search(Problem(classes=4, layers=2, decay=0.5), restarts=2)
    assert [f.point.structure for f in found.found] == ["zero"]
    assert found.collapse_loss is None


def test_unequal_samples():
    problem = Problem(classes=4, layers=2, samples=(1, 2, 5, 9))
    found = search(problem, restarts=3)
    assert found.minimum.gradient_norm < 1e-10
    assert found.found[0].automorphisms is None
    assert found.minimum.loss <= min(s.loss for s in structures(problem))


def test_width_caps_the_rank():
    found = search(Problem(classes=6, layers=2, width=2), restarts=2)
    assert max(f.point.rank for f in found.found) == 2


def test_minima_are_minima_of_the_objective_by_another_optimiser():
    """Nelder-Mead over all logits around each minimum finds nothing lower."""
    problem = Problem(classes=3, layers=3, decay=2.0**-6)
    for found in search(problem, restarts=4).found:
        start = found.point.logits

        def value(vector):
            return logits_objective(vector.reshape(3, 3), problem)

        simplex = start.ravel() + np.vstack([np.zeros(9), 0.01 * np.eye(9)])
        lowest = minimize(value, start.ravel(), method="Nelder-Mead", options={"initial_simplex": simplex}).fun
        assert lowest >= found.point.loss - 1e-9


def test_polishing_reaches_rounding_and_keeps_saddles_apart():
    problem = Problem(classes=10, layers=2)
    pairs = next(s for s in structures(problem) if s.name == "paired")
    shaken = pairs.logits * (1 + 1e-3 * np.random.default_rng(0).standard_normal((10, 10)))
    point = polished(shaken, problem, rank=5)
    assert point.loss == pytest.approx(pairs.loss, rel=1e-12)
    assert stationarity(point.logits, problem) < 1e-9
    assert point.minimum
    saddle = next(s for s in structures(problem) if s.name == "partition-2-2-3-3")
    assert not polished(saddle.logits, problem).minimum


@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_two_factor_gradient_equals_finite_differences(classes, layers, rank, seed):
    problem = Problem(classes=classes, layers=layers, samples=2)
    manifold, generator = FixedRank(problem, min(rank, classes)), np.random.default_rng(seed)
    point, direction = generator.standard_normal((2, 2 * classes * manifold.rank))
    step = 1e-6
    ahead, behind = (float(manifold.value_and_gradient(point + s * direction)[0]) for s in (step, -step))
    slope = manifold.value_and_gradient(point)[1]
    assert slope @ direction == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"activation": "relu"}, {}, r'activation: expected "linear", but found "relu", where logits alone'),
        ({"decay": 1e-61}, {}, r"decay: expected at least 1e-60 for a search, but found 1e-61"),
        ({}, {"restarts": 0}, r"restarts: expected at least 1, but found 0; ask for 20"),
        ({}, {"ranks": (4,)}, r"ranks: expected numbers from 1 to 3, but found \(4,\)"),
        ({"width": 2}, {"ranks": (3,)}, r"ranks: expected numbers from 1 to 2, but found \(3,\)"),
    ],
)
def test_bad_searches_are_refused(changes, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        search(Problem(classes=4, layers=2).replace(**changes), **arguments)


def test_progress_is_told():
    seen = []
    search(Problem(classes=2, layers=2), restarts=2, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(seen[0][1] + 1))
