"""What the theory says where classes differ in size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcollapse.theory import overview, singular_value_bound, t2, t3
from deepcollapse.ufm import Problem, logits_objective, structure

UNEQUAL = Problem(classes=5, layers=2, samples=(10, 10, 10, 1, 1), decay=2.0**-12)


@pytest.mark.parametrize("samples", [(10, 10, 2, 2), (1, 2, 3, 4, 5)])
def test_depth_theorems_apply_to_any_sizes_and_the_others_do_not(samples):
    problem = Problem(classes=len(samples), layers=2, samples=samples, decay=2.0**-9)
    found = overview(problem)
    assert {name for name, theorem in found.theorems.items() if theorem.applies} == {"T2", "T3"}
    assert all(found.theorems[name].holds is None for name in ("T1", "T4", "T5", "T6", "T7"))
    assert all(found.theorems[name].check().agrees for name in ("T2", "T3"))
    assert (found.dnc.point.name, found.dnc.point.loss) == ("one-layer-frame", structure("dnc", problem).loss)
    assert found.dnc.as_json()["critical"] is False
    assert "imbalance" in found.extra if len(set(samples)) == 2 else "imbalance" not in found.extra


def test_crossing_depths_with_the_frame_and_seli():
    """At the depth given the lower rank costs less on the K x K logits, and one layer before it does not."""
    depths = t2(UNEQUAL, layers_max=8).numbers["crossing_depth"]
    assert {"circle below one-layer-frame", "circle below seli"} <= set(depths)
    depth = depths["circle below one-layer-frame"]
    for layers, lower in ((depth - 1, False), (depth, True)):
        at = UNEQUAL.replace(layers=layers)
        low, high = (logits_objective(structure(name, at).logits, at) for name in ("circle", "dnc"))
        assert (low < high) is lower


@settings(deadline=None, max_examples=20)
@given(
    samples=st.lists(st.sampled_from([1, 2, 7, 40]), min_size=3, max_size=6),
    layers=st.sampled_from([1, 3, 20]),
    seed=st.integers(0, 50),
)
def test_the_bound_on_singular_values_holds_for_any_logits(samples, layers, seed):
    problem = Problem(classes=len(samples), layers=layers, samples=tuple(samples), decay=2.0**-10 / layers**2)
    logits = np.random.default_rng(seed).standard_normal((len(samples),) * 2) + 6 * np.eye(len(samples))
    values = np.linalg.svd(logits * np.sqrt(samples), compute_uv=False)
    assert (
        values[2] / np.linalg.norm(values) <= singular_value_bound(logits_objective(logits, problem), problem) + 1e-12
    )


def test_depth_points_of_unequal_classes():
    found = t3(UNEQUAL)
    assert (found.applies, found.holds, found.numbers["depths"][-1]["rank"]) == (True, True, 2)
