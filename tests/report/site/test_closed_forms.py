"""The explorer's closed forms against the package's, which are tested themselves."""

from typing import Any

import numpy as np
import pytest

from deepcollapse.curvature import collapse_stability
from deepcollapse.theory.t5 import dimension_counts
from deepcollapse.ufm import Problem, Structure
from deepcollapse.ufm.ray import Ray
from deepcollapse.ufm.structures import simplex, structures
from report.site.browserless import evaluated

SCRIPTS = ("relaxed_pairs", "closed_forms", "logit_patterns")
EXPRESSION = """given.map((problem) => {
  const points = site.closedForms.structures(problem);
  const rival = site.closedForms.lowestRival(points, problem);
  return {
    points: points.map((point) => ({ ...point, logits: site.logitPatterns.logits(point, problem.classes) })),
    collapse: site.closedForms.collapse(problem),
    rival: rival && rival.name,
    ratio: rival && site.closedForms.dimensionRatio(rival, problem),
  };
})"""
LOSSES = 1e-9  # relative: what is asked for; at a minimum it is second order in the error of the scale
SCALES = 1e-7
THRESHOLDS = 1e-9
LOGITS = 1e-6  # of the largest entry: first order in the error of the scale


def drawn(count: int, seed: int) -> list[dict[str, Any]]:
    """Problems over the whole range of the sliders and beyond it in n."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        classes = int(generator.integers(2, 31))
        found.append(
            {
                "classes": classes,
                "layers": int(generator.integers(1, 9)),
                "decay": float(2.0 ** -generator.uniform(2, 20)),
                "samples": int(generator.choice([1, 2, 5, 17, 50, 5000])),
                "width": int(generator.choice([classes, max(classes // 2, 1), 70])),
            }
        )
    return found


REFERENCES = [
    {"classes": 10, "layers": 2, "decay": 2.0**-10, "samples": 5, "width": 70},
    {"classes": 10, "layers": 3, "decay": (5e-3**3 * 1e-6) ** 0.25, "samples": 5000, "width": 64},
    {"classes": 4, "layers": 2, "decay": 0.01176, "samples": 1, "width": 4},
    {"classes": 5, "layers": 2, "decay": 2.0**-10, "samples": 1, "width": 5},
    {"classes": 7, "layers": 2, "decay": 2.0**-10, "samples": 1, "width": 4},
    {"classes": 2, "layers": 1, "decay": 0.25, "samples": 1, "width": 1},
    {"classes": 2, "layers": 5, "decay": 2.0**-6, "samples": 3, "width": 2},
    {"classes": 3, "layers": 2, "decay": 2.0**-5, "samples": 1, "width": 3},
    {"classes": 21, "layers": 4, "decay": 2.0**-12, "samples": 1, "width": 30},
    {"classes": 10, "layers": 3, "decay": 0.25, "samples": 1, "width": 10},
    {"classes": 3, "layers": 8, "decay": 2.0**-20, "samples": 50, "width": 8},
]


def compared(problems: list[dict[str, Any]]) -> None:
    for given, found in zip(problems, evaluated(SCRIPTS, EXPRESSION, problems), strict=True):
        problem = Problem(**given)
        known = structures(problem)
        expect_structures(problem, found["points"], known)
        expect_collapse(problem, found["collapse"])
        expect_dimensions(problem, found, known)


def expect_structures(problem: Problem, found: list[dict[str, Any]], known: tuple[Structure, ...]) -> None:
    wanted = {structure.name: structure for structure in known}
    assert {point["name"] for point in found} == set(wanted), problem
    assert [point["loss"] for point in found] == sorted(point["loss"] for point in found)
    for point in found:
        structure = wanted[point["name"]]
        assert point["loss"] == pytest.approx(structure.loss, rel=LOSSES), (problem, point["name"])
        assert point["scales"] == pytest.approx(structure.scales, rel=SCALES, abs=SCALES), (problem, point["name"])
        assert (point["rank"], point["critical"]) == (structure.rank, structure.critical)
        values = np.sort(np.repeat(point["values"], np.array(point["multiplicities"], dtype=int)))[::-1]
        np.testing.assert_allclose(values, structure.singular_values, rtol=SCALES)
        size = np.abs(structure.logits).max(initial=0)
        np.testing.assert_allclose(
            point["logits"], structure.logits, rtol=0, atol=LOGITS * size, err_msg=structure.name
        )


def expect_collapse(problem: Problem, found: dict[str, Any]) -> None:
    stability = collapse_stability(problem)
    limit = Ray(simplex(problem).blocks[0], problem).fold()[1]
    assert found["stableScale"] == pytest.approx(stability.scale_min, rel=THRESHOLDS)
    assert found["stableDecay"] == pytest.approx(stability.decay_max, rel=THRESHOLDS)
    assert found["stable"] == stability.stable
    assert found["decayMax"] == pytest.approx(limit, rel=THRESHOLDS)
    assert found["exists"] == (problem.mean_decay < limit)
    assert found["fits"] == (problem.d >= problem.classes - 1)


def expect_dimensions(problem: Problem, found: dict[str, Any], known: tuple[Structure, ...]) -> None:
    rival = next((structure for structure in known if 0 < structure.rank < problem.classes - 1), None)
    assert found["rival"] == (None if rival is None else rival.name)
    if rival is None:
        return
    counts = dimension_counts(problem, rival)
    if counts.dnc is None:
        assert found["ratio"] is None
        return
    paper, exact = counts.ratio
    assert found["ratio"]["paper"] == (None if paper is None else pytest.approx(paper))
    assert found["ratio"]["exact"] == (None if exact is None else pytest.approx(exact))
    assert found["ratio"]["limit"] == pytest.approx(counts.ratio_limit)


def test_the_closed_forms_are_those_of_the_package_at_reference_settings():
    compared(REFERENCES)


def test_the_closed_forms_are_those_of_the_package_over_a_wide_range():
    compared(drawn(30, seed=0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_closed_forms_are_those_of_the_package_over_a_wide_range_at_length(seed: int):
    compared(drawn(500, seed=seed))


def test_a_trial_point_is_no_rival():
    """An upper bound, of lower rank and cheaper than any solution, that is none itself."""
    trial = {"name": "paired-trial", "rank": 3, "critical": False}
    circle = {"name": "circle", "rank": 2, "critical": True}
    given = {"classes": 5, "points": [{"name": "zero", "rank": 0, "critical": True}, trial, circle]}
    expression = "site.closedForms.lowestRival(given.points, given)"
    assert evaluated(SCRIPTS, expression, given) == circle
    assert evaluated(SCRIPTS, expression, {**given, "points": [trial]}) is None


def test_a_catalogue_made_once_serves_every_decay():
    expression = """given.decays.map((decay) => [
      site.closedForms.structures({ ...given.sizes, decay }, given.shared ||= site.closedForms.catalogue(given.sizes)),
      site.closedForms.structures({ ...given.sizes, decay }),
    ])"""
    sizes = {"classes": 14, "layers": 3, "samples": 2, "width": 14}
    decays = [2.0**-exponent for exponent in (4, 9, 20)]
    for shared, fresh in evaluated(SCRIPTS, expression, {"sizes": sizes, "decays": decays}):
        assert shared == fresh


def test_the_first_theorem_is_stated_where_the_paper_states_it():
    expression = "given.map((problem) => site.closedForms.ruledOut(problem))"
    sizes = [(4, 3), (6, 2), (30, 8), (5, 2), (3, 8), (10, 1)]
    given = [{"classes": classes, "layers": layers} for classes, layers in sizes]
    assert evaluated(SCRIPTS, expression, given) == [True, True, True, False, False, False]


def test_logits_are_put_in_an_order_that_shows_their_groups():
    expression = "site.logitPatterns.grouped(given)"
    pairs = np.kron(np.eye(3), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    order = np.array([3, 0, 4, 1, 5, 2])
    mixed = pairs[np.ix_(order, order)]
    found = evaluated(SCRIPTS, expression, mixed.tolist())
    np.testing.assert_array_equal(mixed[np.ix_(found, found)], pairs)
