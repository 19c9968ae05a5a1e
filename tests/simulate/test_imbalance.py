"""Ensembles whose classes differ in size: where they end, and what it is called."""

import pytest

from deepcollapse.curvature import structure_spectrum
from deepcollapse.errors import InvalidInputError
from deepcollapse.landscape import search
from deepcollapse.simulate import Initialisation, classify, simulate
from deepcollapse.ufm import Problem, balanced_factors, collapse, structure

ONE_LAYER = Problem(classes=4, layers=1, samples=(3, 3, 1, 1), width=6, decay=2.0**-5)


def test_one_layer_ends_at_its_frame_and_counts_as_collapse():
    ensemble = simulate(ONE_LAYER, seeds=4, lr=1.0, tolerance=1e-9)
    verdicts = [run.verdict for run in ensemble.finished]
    assert [verdict.structure for verdict in verdicts] == ["dnc"] * 4
    assert max(verdict.dnc_distance for verdict in verdicts) < 1e-6
    assert ensemble.dnc().count == 4


def test_search_and_spectrum_name_and_certify_it():
    found = search(ONE_LAYER, restarts=2)
    assert found.minimum.structure == "one-layer-frame"
    assert found.collapse_loss == pytest.approx(found.minimum.loss, rel=1e-12)
    assert structure_spectrum(structure("dnc", ONE_LAYER), ONE_LAYER).positive_semidefinite


def test_deeper_frames_are_recognised_up_to_scale_and_have_no_spectrum():
    problem = ONE_LAYER.replace(layers=2, decay=2.0**-8)
    frame = collapse(problem)
    for scale in (0.5, 1.0, 1.7):
        verdict = classify(balanced_factors(scale * frame.logits, problem), problem)
        assert (verdict.structure, verdict.dnc_distance) == ("dnc", pytest.approx(0, abs=1e-12))
    assert classify(balanced_factors(structure("paired", problem).logits, problem), problem).structure == "rank-2"
    with pytest.raises(InvalidInputError, match="found the trial point 'one-layer-frame'; take the minimum that"):
        structure_spectrum(frame, problem)
    assert search(problem, restarts=2).collapse_loss == frame.loss


@pytest.mark.parametrize("layers", [1, 2])
def test_starts_near_collapse_are_near_the_frame(layers):
    problem = ONE_LAYER.replace(layers=layers, decay=2.0**-8)
    factors = Initialisation("near-dnc", distance=1e-6).factors(problem, seed=0)
    assert classify(factors, problem).structure == "dnc"
