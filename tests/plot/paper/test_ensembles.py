import dataclasses

import numpy as np
import pytest

from deepcollapse.curvature import solution_dimension
from deepcollapse.plot.paper import MissingRunsError
from deepcollapse.plot.paper.ensembles import (
    dimension_ratio,
    endpoints,
    ends,
    most_common_model,
    problem_of,
    relu_runs,
    sweep_curves,
)
from deepcollapse.plot.paper.planned import planned_runs, plans_to_draw
from deepcollapse.ufm import Problem, collapse, structure


def runs_of(store, *parts):
    return planned_runs(store, plans_to_draw(store)[0], parts)


def replaced(runs, rows):
    return dataclasses.replace(runs, rows=rows)


def test_rows_are_counted_by_how_the_runs_ended():
    rows = [
        {"status": "converged", "structure": "dnc", "rank": 3},
        {"status": "converged", "structure": "rank-3", "rank": 3},
        {"status": "converged", "structure": "paired", "rank": 2},
        {"status": "not converged", "structure": "dnc", "rank": 3},
        {"status": "diverged", "structure": None, "rank": None},
    ]
    found = ends(rows)
    assert (found.collapsed, found.ranks, found.not_converged, found.diverged) == (1, {2: 1, 3: 2}, 1, 1)


def test_a_sweep_has_a_curve_per_initial_scale(store):
    runs = runs_of(store, "E2")
    curves = sweep_curves(runs.rows, "width")
    assert [curve.label for curve in curves] == ["init scale 0.5", "init scale 1"]
    for curve, scale in zip(curves, (0.5, 1.0), strict=True):
        np.testing.assert_array_equal(curve.x, [4, 6, 8])
        for width, end in zip(curve.x, curve.ends, strict=True):
            rows = [row for row in runs.rows if row["width"] == width and row["init_scale"] == scale]
            assert end == ends(rows)
            assert end.total == 4


def test_losses_are_relative_to_collapse_at_the_same_decay(store):
    runs = runs_of(store, "E3")
    (curve,) = sweep_curves(runs.rows, "decay")
    np.testing.assert_array_equal(curve.x, [2.0**-7, 2.0**-5, 2.0**-1])
    assert curve.ends[1].not_converged == 4  # its horizon is short
    bound = collapse(problem_of(runs.rows[0])).loss
    losses = [row["loss"] / bound for row in runs.rows if row["decay"] == 2.0**-7]
    np.testing.assert_allclose(curve.relative_losses, losses)
    np.testing.assert_array_equal(curve.places, [2.0**-7] * 4)
    assert curve.without_bound == 4  # at 2^-1 there is no collapse
    np.testing.assert_array_equal(curve.known[0], [2.0**-7, 2.0**-5])


def test_ends_are_put_in_the_order_of_the_structure(store):
    runs = runs_of(store, "E1")
    (simplex, paired), sentence = endpoints(runs)
    problem = Problem(classes=4, layers=2, width=4, decay=2.0**-5)
    np.testing.assert_allclose(simplex.logits, collapse(problem).logits, atol=0.02)
    np.testing.assert_allclose(paired.logits, structure("paired", problem).logits, atol=0.02)
    assert (simplex.name, paired.name) == ("Simplex (DNC)", "Paired")
    assert paired.about == f"rank 2, F = {structure('paired', problem).loss:.6f}, seed 0"
    assert sentence == "4 runs: 4 decided (paired 3, dnc 1)."


def test_logits_are_those_of_the_runs_seed(store):
    runs = runs_of(store, "E1")
    row = next(row for row in runs.rows if row["structure"] == "dnc")
    arrays = store.run(row["run"]).arrays
    found = arrays["logits"][list(arrays["seeds"]).index(row["seed"])]
    (simplex, _), _ = endpoints(runs)
    np.testing.assert_allclose(np.sort(simplex.logits, axis=None), np.sort(found, axis=None))


def test_without_pairs_the_lowest_end_of_low_rank_is_shown(store):
    runs = runs_of(store, "E1")
    unnamed = [row | ({"structure": "rank-2"} if row["structure"] == "paired" else {}) for row in runs.rows]
    (_, low), _ = endpoints(replaced(runs, unnamed))
    lowest = min((row for row in unnamed if row["rank"] == 2), key=lambda row: row["loss"])
    assert (low.name, low.about.split()[-1]) == ("Rank-2", str(lowest["seed"]))


def test_without_an_end_to_show_it_says_what_there_was(store):
    runs = runs_of(store, "E1")
    slow = [row | {"status": "not converged"} for row in runs.rows]
    with pytest.raises(MissingRunsError, match=r"E1: expected runs that ended at collapse .* found 0 decided of 4"):
        endpoints(replaced(runs, slow))


def test_rows_of_other_models_are_counted_not_mixed(store):
    rows = runs_of(store, "E1", "E2").rows
    kept, sentence = most_common_model(rows)
    assert {row["width"] for row in kept} == {4}
    assert sentence == f"{len(rows) - len(kept)} runs of other sizes are not shown."
    assert most_common_model(kept) == (kept, "")


def test_relu_losses_are_split_by_convergence(store):
    rows = runs_of(store, "E7").rows
    (found,) = relu_runs(rows)
    slow = [row | {"status": "not converged", "init_scale": 2.0} for row in rows]
    first, second = relu_runs([*rows, *slow])
    np.testing.assert_array_equal(found.losses, [row["loss"] for row in rows])
    assert found.label == ""
    assert (first.label, second.label) == ("init scale 1", "init scale 2")
    np.testing.assert_array_equal(second.undecided_losses, found.losses)
    assert second.ends.not_converged == 4


def test_the_ratio_of_dimensions_is_that_of_the_theory():
    problem = Problem(classes=10, layers=2, width=70)
    ratio = dimension_ratio(problem, least=9, most=280)
    assert (ratio.structure, ratio.rank, ratio.limit) == ("paired", 5, 1.8)
    index = list(ratio.widths).index(70)
    assert ratio.exact[index] == solution_dimension(9, problem) / solution_dimension(5, problem)
    assert ratio.widths[0] == 9
    assert (np.diff(ratio.exact) > 0).all()
    assert np.isnan(dimension_ratio(problem, least=6, most=12).exact[:3]).all()  # too narrow to collapse


def test_without_a_low_rank_structure_there_is_no_ratio():
    with pytest.raises(MissingRunsError, match="T5: expected a low-rank structure at K = 2, L = 1, but found none"):
        dimension_ratio(Problem(classes=2, layers=1), least=2, most=4)
