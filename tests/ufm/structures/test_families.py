"""Closed forms of the structures against the objective of their matrices and the reference values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from deepcollapse.errors import InvalidInputError, UndefinedError
from deepcollapse.linalg import numerical_rank
from deepcollapse.ufm import (
    Problem,
    collapse,
    diagonally_superior,
    logits_objective,
    stationarity,
    structure,
    structures,
    weighted_logits,
)
from deepcollapse.ufm import given as given_pattern

REFERENCE = Problem(classes=10, samples=5, layers=2, width=70, decay=2.0**-10)

problems = st.builds(
    Problem,
    classes=st.integers(2, 12),
    layers=st.integers(1, 6),
    samples=st.integers(1, 6),
    decay=st.floats(-14, -3).map(lambda e: 2.0**e),
    loss=st.sampled_from(["ce", "mse"]),
)


@given(problems)
def test_every_structure_is_what_it_says(problem):
    """Loss, singular values, rank and criticality recomputed from the matrix alone."""
    for known in structures(problem):
        logits = known.logits
        assert logits_objective(logits, problem) == pytest.approx(known.loss, rel=1e-10), known.name
        values = np.linalg.svd(weighted_logits(logits, problem), compute_uv=False)
        np.testing.assert_allclose(values[: known.rank], known.singular_values, rtol=1e-9)
        assert numerical_rank(values) == known.rank
        assert (stationarity(logits, problem) < 1e-8) == known.critical, known.name


@given(problems)
def test_scales_are_the_best_of_their_ray(problem):
    """A bounded scalar search around each one-scale structure finds nothing lower."""
    for known in structures(problem):
        if len(known.scales) == 1:
            pattern = known.logits / known.scales[0]

            def along(log_scale, pattern=pattern, known=known):
                return logits_objective(known.scales[0] * np.exp(log_scale) * pattern, problem)

            found = minimize_scalar(along, bounds=(-0.5, 0.5), method="bounded", options={"xatol": 1e-9})
            assert found.fun >= known.loss * (1 - 1e-9), known.name


@pytest.mark.parametrize(
    ("name", "loss", "scale"),
    [
        ("dnc", 0.090662183213, 7.0375384944),
        ("paired", 0.080012659245, 7.0470486883),
        ("partition-2-2-2-4", 0.083460, None),
        ("partition-2-8", 0.088433, None),
        ("T5", 0.081432, None),
    ],
)
def test_reference_values_at_ten_classes(name, loss, scale):
    found = structure(name, REFERENCE)
    assert found.loss == pytest.approx(loss, abs=1e-12 if scale else 5e-7)
    if scale:
        assert found.scales[0] == pytest.approx(scale, abs=1e-10)


@pytest.mark.parametrize(
    ("layers", "name", "loss"), [(2, "paired", 0.048938), (2, "dnc", 0.055456), (3, "T5", 0.040248)]
)
def test_reference_values_at_one_sample(layers, name, loss):
    assert structure(name, Problem(classes=10, layers=layers)).loss == pytest.approx(loss, abs=5e-7)


def test_relaxed_pairs_reference_values():
    five = structure("paired", Problem(classes=5, layers=2))
    assert five.loss == pytest.approx(0.0245134291, abs=1e-10)
    np.testing.assert_allclose(five.singular_values, [14.11967, 14.11967, 6.96022], atol=5e-6)
    assert structure("paired", Problem(classes=7, layers=2)).loss == pytest.approx(0.0347388140, abs=1e-10)
    trial = structure("paired-trial", Problem(classes=5, layers=2))
    assert trial.loss > five.loss
    assert not trial.critical


@pytest.mark.parametrize(("layers", "bound"), [(3, 0.242197705457), (4, 0.251230746413)])
def test_network_bound(layers, bound):
    problem = Problem(classes=10, samples=5000, layers=layers, decay=(1e-6, *(5e-3,) * layers))
    assert collapse(problem).loss == pytest.approx(bound, abs=1e-12)


def test_single_layer_scale_is_closed_form():
    problem = Problem(classes=6, samples=3, layers=1, decay=0.01)
    assert collapse(problem).scales[0] == pytest.approx(np.log(1 / (0.01 * np.sqrt(3)) - 5), rel=1e-12)


def test_beyond_the_fold_only_zero_is_left():
    below, above = (REFERENCE.replace(decay=0.050445672 * factor) for factor in (1 - 1e-7, 1 + 1e-7))
    assert collapse(below).loss > np.log(10)
    with pytest.raises(UndefinedError, match=r"simplex: scale: expected a decay below 0.0504456722, but found"):
        collapse(above)
    assert [s.name for s in structures(REFERENCE.replace(decay=0.2))] == ["zero"]


def test_collapse_loses_to_zero_before_it_disappears():
    assert (
        collapse(REFERENCE.replace(decay=0.04125)).loss < np.log(10) < collapse(REFERENCE.replace(decay=0.04127)).loss
    )


def test_width_limits_the_rank():
    names = {s.name for s in structures(REFERENCE.replace(width=4))}
    assert names == {"T5", "circle", "zero"}


def test_many_classes_keep_closed_forms():
    problem = Problem(classes=1000, layers=3, width=4096)
    found = {s.name: s for s in structures(problem)}
    assert found["simplex"].rank == 999
    assert found["paired"].rank == 500
    assert found["circle"].rank == 2
    best = min((s for s in found.values() if s.name.startswith("partition")), key=lambda s: s.loss)
    assert best.loss <= found["partition-" + "-".join(["4"] * 250)].loss


def test_tiny_decay_does_not_overflow():
    found = collapse(Problem(classes=4, layers=2, decay=1e-200))
    assert 0 < found.loss < 1e-196
    assert 440 < found.scales[0] < 480


def test_squared_error_decouples_over_singular_values():
    """Z = beta P for every orthogonal projector P in the catalogue has the same beta and loses linearly in rank."""
    problem = Problem(classes=6, layers=2, decay=0.02, loss="mse")
    found = [s for s in structures(problem) if s.critical and s.rank]
    gain = 0.5 - collapse(problem).loss
    for known in found:
        assert 0.5 - known.loss == pytest.approx(gain * known.rank / 6, rel=1e-9), known.name


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("nonsense", 4, r"structure: expected dnc, simplex, .* but found 'nonsense'; choose one of these"),
        ("T5", 9, r"structure: expected K = m \(m - 1\) / 2 = 10 classes for T5, but found 9"),
        ("T2", 4, r"structure: expected K = m \(m - 1\) / 2 = 1 classes for T2, but found 4"),
        ("partition-2-3", 6, r"partition: expected sizes >= 1, one of them >= 2, that add up to 6, but found \(2, 3\)"),
        ("partition-1-1-1", 3, r"partition: expected sizes >= 1, one of them >= 2"),
        ("circle", 2, r"classes: expected at least 3 for the circle, but found 2; use the simplex"),
    ],
)
def test_bad_names_are_refused(name, classes, message):
    with pytest.raises(InvalidInputError, match=message):
        structure(name, Problem(classes=classes, layers=2))


def test_singleton_groups_are_critical():
    problem = Problem(classes=5, layers=2)
    found = structure("partition-1-2-2", problem)
    assert found.critical
    assert stationarity(found.logits, problem) < 1e-9
    assert logits_objective(found.logits, problem) == pytest.approx(found.loss, rel=1e-12)


def test_diagonal_superiority():
    assert all(
        diagonally_superior(s.logits) for s in structures(Problem(classes=9, layers=2)) if s.name not in ("zero",)
    )
    assert not diagonally_superior(np.zeros((3, 3)))
    assert not diagonally_superior(-np.eye(3))
    np.testing.assert_array_equal(diagonally_superior(np.stack([np.eye(3), np.ones((3, 3))])), [True, False])


def test_given_matrices_are_judged():
    problem = Problem(classes=4, layers=2)
    mine = given_pattern(np.diag([1.0, 1.0, 1.0, 2.0]), problem, name="mine")
    assert (mine.name, mine.critical, mine.rank) == ("mine", False, 4)
    assert mine.loss == pytest.approx(logits_objective(mine.logits, problem), rel=1e-12)
    same = given_pattern(7.0 * structure("paired", problem).logits, problem)
    assert same.critical
    assert same.loss == pytest.approx(structure("paired", problem).loss, rel=1e-12)
    with pytest.raises(InvalidInputError, match=r"logits: expected a non-zero pattern, but found zeros only"):
        given_pattern(np.zeros((4, 4)), problem)


def test_imbalance_makes_trial_points():
    problem = Problem(classes=4, layers=3, samples=(1, 1, 9, 9))
    found = structures(problem)
    assert not any(s.critical for s in found if s.name == "simplex")
    for known in found:
        assert logits_objective(known.logits, problem) == pytest.approx(known.loss, rel=1e-11)


@pytest.mark.parametrize("layers", [2, 3, 4, 6])
def test_relaxed_pairs_up_to_the_decay_where_they_end(layers):
    """At every decay they are a critical point at least as low as the trial point, or refused."""
    existing = 0
    for classes in (5, 7, 11):
        for decay in np.geomspace(2.0**-12, 0.5, 40).tolist():
            problem = Problem(classes=classes, layers=layers, samples=5, decay=decay)
            try:
                found, trial = structure("paired", problem), structure("paired-trial", problem)
            except UndefinedError:
                continue
            existing += 1
            assert stationarity(found.logits, problem) < 1e-7
            assert found.loss <= trial.loss
    assert existing > 30


def test_relaxed_pairs_need_an_odd_number():
    from deepcollapse.ufm.structures import relaxed_pairs

    with pytest.raises(
        InvalidInputError, match=r"relaxed pairs: expected odd K >= 3 and cross-entropy, but found K = 4"
    ):
        relaxed_pairs(Problem(classes=4, layers=2))
    with pytest.raises(UndefinedError, match=r"paired: "):
        relaxed_pairs(Problem(classes=5, layers=2, decay=0.5))


@pytest.mark.parametrize("name", ["simplex", "paired", "partition-2-4", "circle", "zero", "paired-trial"])
def test_a_structure_prints_numbers_and_no_function(name):
    problem = Problem(classes=6, layers=2)
    text = repr(structure(name, problem))
    assert text == repr(structure(name, problem))
    assert "function" not in text
    assert " at 0x" not in text


@pytest.mark.parametrize("classes", [3, 4, 5, 6])
@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("samples", ["equal", "unequal"])
def test_pairs_exist_for_every_kind_of_problem(classes, loss, samples):
    sizes = 2 if samples == "equal" else tuple(range(2, 2 + classes))
    problem = Problem(classes=classes, layers=2, samples=sizes, loss=loss, decay=2.0**-10)
    found = structure("paired", problem)
    assert (found.name.startswith("paired"), found.rank) == (True, (classes + 1) // 2)
    assert found.critical is False or loss == "ce" or classes % 2 == 0
