from itertools import permutations

import numpy as np
import pytest

from deepcollapse.errors import UndefinedError
from deepcollapse.simulate import classify
from deepcollapse.simulate.classify import LOGITS_RTOL, RANK_RTOL, dnc_distance, nameable
from deepcollapse.ufm import Problem, balanced_factors, collapse, regularised_loss, structure, structures
from deepcollapse.ufm.structures import incidence_matrix

PROBLEMS = [
    *(Problem(classes=k, layers=2, samples=1 + k % 2, width=k + 3) for k in (2, 3, 4, 5, 6, 7, 8)),
    Problem(classes=10, layers=3, width=70, decay=2.0**-10),
    Problem(classes=10, layers=3, width=12, decay=(2.0**-11, 2.0**-9, 2.0**-8, 2.0**-12)),
    Problem(classes=15, layers=2),
    Problem(classes=6, layers=2, loss="mse", decay=2.0**-9),
    Problem(classes=5, layers=1, decay=0.02),
]

SAME = {"T4": "paired"}  # the six pairs of four points: opposite edges of a tetrahedron


def shuffled(logits, generator):
    order = generator.permutation(len(logits))
    return logits[np.ix_(order, order)]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_named_structure_is_recognised_under_any_class_order(problem):
    generator, known = np.random.default_rng(0), nameable(problem)
    assert {"dnc", "zero"} <= {name for name, _ in known}
    for name, target in known:
        factors = balanced_factors(shuffled(target.logits, generator), problem, generator)
        verdict = classify(factors, problem, known=known)
        assert (verdict.structure, verdict.rank) == (SAME.get(name, name), target.rank)
        assert verdict.loss == pytest.approx(target.loss, abs=1e-12)
        assert abs(verdict.loss_gap) < 1e-12
        assert verdict.reading.within_class < 1e-12
        assert verdict.nearest.name == verdict.structure
        assert verdict.nearest.distance_min < 1e-12
        assert verdict.nearest.loss_gap == verdict.loss_gap
        assert (verdict.dnc_distance < 1e-12) == (name == "dnc")


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_rank_tolerance_is_far_below_what_the_named_structures_keep(problem):
    kept = [s.singular_values[-1] / s.singular_values[0] for _, s in nameable(problem) if s.rank]
    assert min(kept) > 100 * RANK_RTOL


@pytest.mark.parametrize("k", [4, 5, 6, 8, 10])
def test_structures_of_equal_rank_differ_by_more_than_the_tolerance(k):
    known = nameable(Problem(classes=k, layers=2))
    for i, (_, a) in enumerate(known):
        for _, b in known[i + 1 :]:
            if a.rank == b.rank and b.name not in SAME:
                apart = np.abs(np.sort(a.logits, axis=None) - np.sort(b.logits, axis=None)).max()
                assert apart > 5 * LOGITS_RTOL * np.abs(b.logits).max()


def test_what_has_no_name_is_called_by_its_rank():
    problem = Problem(classes=6, layers=2, width=9)
    stretched = 1.05 * collapse(problem).logits  # right pattern, wrong scale: no critical point
    verdict = classify(balanced_factors(stretched, problem), problem)
    assert (verdict.structure, verdict.rank, verdict.loss_gap) == ("rank-5", 5, None)
    mixed = np.random.default_rng(1).normal(size=(6, 2)) @ np.random.default_rng(2).normal(size=(2, 6))
    assert classify(balanced_factors(mixed, problem), problem).structure == "rank-2"


def test_residues_of_a_stopped_run_do_not_count_as_rank():
    problem = Problem(classes=6, layers=2, width=9, samples=2)
    generator, target = np.random.default_rng(0), structure("paired", problem)
    factors = []
    for factor in balanced_factors(target.logits, problem):
        noise = generator.normal(size=factor.shape)
        factors.append(factor + 1e-3 * noise / np.linalg.norm(noise))  # gradient norm about decay / 1000
    verdict = classify(tuple(factors), problem)
    assert (verdict.structure, verdict.rank) == ("paired", 3)
    assert verdict.reading.singular_values[3] > 0
    assert 0 < verdict.loss_gap < 1e-5 * target.loss


def test_logits_that_differ_within_classes_get_no_name():
    problem = Problem(classes=4, layers=1, samples=2, decay=0.01)
    features, weight = balanced_factors(collapse(problem).logits, problem)
    spread = np.tile([0.1, -0.1], 4)
    verdict = classify((features * (1 + spread), weight), problem)
    assert verdict.reading.within_class == pytest.approx(0.1, rel=0.01)
    assert verdict.structure == "rank-3"


def test_zero_has_rank_zero_whatever_noise_is_left():
    problem = Problem(classes=5, layers=2, samples=3, width=6, decay=0.5)
    with pytest.raises(UndefinedError):
        collapse(problem)
    noise = np.random.default_rng(0)
    factors = tuple(1e-3 * noise.normal(size=s) for s in ((6, 15), (6, 6), (5, 6)))
    verdict = classify(factors, problem)
    assert (verdict.structure, verdict.rank) == ("zero", 0)
    assert verdict.loss_gap == pytest.approx(regularised_loss(factors, problem) - np.log(5), abs=1e-15)


def test_collapse_under_the_squared_error_is_the_orthogonal_frame():
    problem = Problem(classes=5, layers=2, loss="mse", decay=2.0**-9)
    assert classify(balanced_factors(collapse(problem).logits, problem), problem).structure == "dnc"
    centred = structure("simplex", problem)
    assert classify(balanced_factors(centred.logits, problem), problem).structure == "simplex"


def test_under_imbalance_only_collapse_and_zero_have_names():
    problem = Problem(classes=4, layers=2, samples=(1, 2, 3, 4))
    assert [name for name, _ in nameable(problem)] == ["dnc", "zero"]
    assert classify(balanced_factors(collapse(problem).logits, problem), problem).structure == "dnc"
    assert classify(balanced_factors(structure("seli", problem).logits, problem), problem).structure == "rank-3"


@pytest.mark.parametrize("name", ["dnc", "paired", "circle"])
@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_relu_networks_are_recognised_by_shape_alone(name, scale):
    problem = Problem(classes=6, layers=3, samples=2, activation="relu")
    generator = np.random.default_rng(3)
    logits = scale * shuffled(structure(name, problem.replace(activation="linear")).logits, generator)
    eye = np.eye(6)
    verdict = classify((np.repeat(eye, 2, axis=1), eye, eye, logits), problem)
    assert verdict.structure == name
    assert verdict.loss_gap == pytest.approx(verdict.loss - structure(name, problem).loss)


def test_relu_network_of_another_shape_has_no_name():
    problem = Problem(classes=6, layers=2, activation="relu")
    points = incidence_matrix(4)
    verdict = classify((np.eye(6), np.eye(6), points.T @ points - 0.7), problem)
    assert verdict.structure == "rank-4"


def test_the_catalogue_is_complete_but_for_trial_points():
    problem = Problem(classes=7, layers=2)
    named = {s.name for _, s in nameable(problem)}
    assert named == {s.name for s in structures(problem) if s.critical}
    assert "paired-trial" in {s.name for s in structures(problem)} - named


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("samples", [1, 3])
def test_distance_from_collapse_is_the_definition_in_every_class_order(k, loss, samples):
    problem = Problem(classes=k, layers=2, samples=samples, loss=loss)
    generator, target = np.random.default_rng(k), collapse(problem).logits
    logits = target + generator.normal(size=(k, k))
    unit = np.sqrt(sum(x**2 for x in target.ravel()))
    for order in permutations(range(k)):
        moved = logits[np.ix_(order, order)] - target
        assert dnc_distance(logits, problem) == pytest.approx(np.sqrt(sum(x**2 for x in moved.ravel())) / unit)
    assert dnc_distance(np.zeros((k, k)), problem) == 1.0
    assert dnc_distance(1.25 * target, problem) == pytest.approx(0.25)


def test_distance_from_collapse_of_a_relu_network_leaves_the_scale_aside():
    problem = Problem(classes=4, layers=2, activation="relu")
    target = collapse(problem).logits
    assert dnc_distance(0.01 * target, problem) < 1e-12
    assert dnc_distance(-target, problem) == pytest.approx(2.0)
    assert dnc_distance(np.zeros((4, 4)), problem) == 1.0


def test_distance_from_collapse_has_no_value_where_there_is_none():
    assert dnc_distance(np.eye(5), Problem(classes=5, layers=2, decay=0.5)) is None
    assert dnc_distance(np.eye(5), Problem(classes=5, layers=2, width=3)) is None
    assert dnc_distance(np.eye(5), Problem(classes=5, layers=2, width=4)) > 0


def test_under_imbalance_the_distance_is_from_the_one_layer_frame_at_equal_norm():
    problem = Problem(classes=4, layers=2, samples=(1, 2, 3, 4))
    frame, seli = collapse(problem).logits, structure("seli", problem).logits
    verdict = classify(balanced_factors(2.0 * frame, problem), problem)
    assert (verdict.structure, verdict.nearest.name) == ("dnc", "dnc")
    assert verdict.dnc_distance < 1e-12
    away = np.linalg.norm(seli / np.linalg.norm(seli) - frame / np.linalg.norm(frame))
    assert dnc_distance(3.0 * seli, problem) == pytest.approx(away)


def test_a_run_without_a_name_is_near_one():
    problem = Problem(classes=6, layers=2, width=9, samples=2)
    generator = np.random.default_rng(0)
    for name in ("dnc", "paired", "partition-2-4", "circle"):
        target = structure(name, problem)
        verdict = classify(balanced_factors(shuffled(1.1 * target.logits, generator), problem), problem)
        assert verdict.structure == f"rank-{target.rank}"
        assert (verdict.nearest.name, verdict.nearest.distance_min) == (name, pytest.approx(0.1))
        assert verdict.nearest.loss_gap == pytest.approx(verdict.loss - target.loss)
        assert verdict.nearest.loss_gap > 0
