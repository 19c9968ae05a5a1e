"""E1, E2, E3 and the ReLU model of E7 from made-up rows: each verdict, and rows that contradict the claim."""

import pytest

from deepcollapse.reproduce import CLAIMS
from reproduce.synthetic import DNC_LOSS, evidence, many, network, part, seeds

FULL = {"accelerate": None}


def judgement(id, *parts):
    return CLAIMS[id].judgement(evidence(*parts))


def test_e1_needs_both_pictures_and_says_where_they_are():
    both = judgement("E1", part("E1", many(3, 16)))
    assert (both.verdict, both.reason) == ("reproduced", "")
    assert "scale 1: 13 paired, 3 DNC, 0 other of 16 converged, 16 run" in both.ours
    rows = [*many(0, 16), *many(3, 16, init_scale=1.5)]
    condition = judgement("E1", part("E1", rows))
    assert (condition.verdict, condition.reason) == (
        "reproduced with conditions",
        "both pictures only at initial scale 1.5",
    )
    rows = [*many(0, 16), *many(16, 16, init_scale=2.0)]
    assert judgement("E1", part("E1", rows)).reason == "each picture at another initial scale"
    one = judgement("E1", part("E1", many(0, 16)))
    assert (one.verdict, one.reason) == ("not reproduced", "not so: runs end in the simplex (DNC)")


def test_e1_is_refuted_by_the_losses():
    rows = [*seeds("dnc"), *seeds("paired", first=1, loss=2 * DNC_LOSS)]
    assert judgement("E1", part("E1", rows)).reason == "not so: every paired end has a lower loss than every DNC end"
    rows = [*seeds("dnc", loss=2 * DNC_LOSS), *seeds("paired", first=1)]
    assert judgement("E1", part("E1", rows)).reason == "not so: DNC ends have the loss of the closed form"


def test_e1_without_ends_says_nothing():
    found = judgement("E1", part("E1", seeds("not converged", "diverged")))
    assert (found.verdict, found.reason) == ("out of reach here", "no run converged")


def widths(*counts, scale=1.0, **settings):
    """Rows with so many of 16 seeds in collapse at widths 10, 20, 30, ..."""
    return [
        row
        for width, count in enumerate(counts, start=1)
        for row in many(count, 16, width=10 * width, init_scale=scale, **settings)
    ]


def test_e2_is_reproduced_where_the_rate_goes_from_0_to_1():
    found = judgement("E2", part("E2", widths(0, 5, 16, **FULL)))
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert (
        "DNC rate at widths 10, 20, 30; scale 1: 0.00, 0.31, 1.00, at the last 16/16 (95%: 0.81 to 1.00)." in found.ours
    )
    assert "Mean rank from 5.0 to 9.0. 0 of 48 runs did not converge." in found.ours


def test_e2_names_the_scales_at_which_it_holds():
    rows = [*widths(0, 0, 1, scale=0.5, **FULL), *widths(0, 5, 16, scale=1.5, **FULL)]
    found = judgement("E2", part("E2", rows))
    assert found.verdict == "reproduced with conditions"
    assert found.reason == (
        "only at initial scale 1.5 of 0.5, 1.5 up to width 30; there, of the others: scale 0.5 1/16 (95%: 0.01 to 0.28)"
    )


@pytest.mark.parametrize("counts", [(0, 0, 0), (16, 16, 16), (16, 8, 0), (0, 16, 4, 16), (8, 8, 8)])
def test_e2_is_refuted(counts):
    assert judgement("E2", part("E2", widths(*counts, **FULL))).verdict == "not reproduced"


def test_e2_does_not_count_runs_that_still_move():
    rows = [*widths(0, 5, **FULL), *seeds(*["dnc"] * 8, *["not converged"] * 8, width=30, **FULL)]
    found = judgement("E2", part("E2", rows))
    assert found.verdict == "not reproduced"
    assert found.numbers["not_converged"] == 8
    assert found.numbers["scales"]["1"]["runs converged"] is False


def test_e2_needs_its_shortcut_to_be_checked():
    rows = widths(0, 5, 16)
    unchecked = judgement("E2", part("E2", rows))
    assert unchecked.reason == "accelerated runs, not compared with full descent"
    fine = judgement("E2", part("E2", rows), part("E2-audit", widths(0, 5, 16, **FULL)))
    assert (fine.verdict, fine.reason) == ("reproduced", "")
    assert "Without acceleration 0 of 48 seeds end elsewhere" in fine.ours
    wrong = judgement("E2", part("E2", rows), part("E2-audit", widths(16, 16, 16, **FULL)))
    assert "differs from full descent in 27/48" in wrong.reason


def decays(*counts, scale=1.0, **settings):
    """Rows with so many of 16 seeds in collapse at decays 2^-6, 2^-7, ..."""
    return [
        row
        for octave, count in enumerate(counts, start=6)
        for row in many(count, 16, decay=2.0**-octave, init_scale=scale, **FULL, **settings)
    ]


def test_e3_is_reproduced_where_rates_grow_and_losses_approach():
    found = judgement("E3", part("E3", decays(0, 4, 12)))
    assert (found.verdict, found.reason) == ("reproduced", "")
    assert (
        "scale 1: 0.00, 0.25, 0.75 (12/16 (95%: 0.51 to 0.90) at the last), mean loss below DNC by 11.7% to 2.9%"
        in (found.ours)
    )
    assert "Paired ends alone are below DNC by 11.7% at decay 0.0156 and 11.7% at 0.00391. 0 of 48 runs" in found.ours
    mixed = judgement("E3", part("E3", [*decays(0, 0, 0), *decays(0, 4, 12, scale=2.0)]))
    assert mixed.reason == (
        "only at initial scale 2; DNC at the least decay elsewhere: scale 1 0/16 (95%: 0.00 to 0.19)"
    )


@pytest.mark.parametrize("counts", [(0, 0, 0), (12, 4, 0), (8, 8, 10), (0, 16, 4, 16)])
def test_e3_is_refuted(counts):
    assert judgement("E3", part("E3", decays(*counts))).verdict == "not reproduced"


def relu(below, total, status="converged", scale=1.0, rank=7):
    """So many ReLU runs below the bound at this rank, the others above it at rank 9."""
    rows = seeds(*["paired"] * total, activation="relu", init_scale=scale, status=status, dnc_loss=0.147)
    return [row | ({"loss": 0.14, "rank": rank} if row["seed"] < below else {"loss": 0.15, "rank": 9}) for row in rows]


NETWORKS = [part("E7-mnist", [network(layers=4)]), part("E7-cifar10", [network(source="cifar10")])]


def test_e7_counts_runs_below_the_bound():
    found = judgement("E7", part("E7-ufm", relu(14, 16)), *NETWORKS)
    assert (found.verdict, found.reason) == ("reproduced", "")
    found = judgement("E7", part("E7-ufm", [*relu(14, 16, scale=0.7), *relu(1, 16, scale=1.5)]), *NETWORKS)
    assert (found.verdict, found.reason) == (
        "reproduced with conditions",
        "UFM: only at initial scale 0.7; elsewhere below the bound: scale 1.5: 1/16 (95%: 0.01 to 0.28)",
    )
    refuted = judgement("E7", part("E7-ufm", relu(2, 16)), *NETWORKS)
    assert refuted.reason == "not so: at some initial scale most runs of the UFM end below linear DNC"


def test_e7_asks_for_low_rank_where_runs_have_settled():
    settled = judgement("E7", part("E7-ufm", relu(14, 16, rank=9)), *NETWORKS)
    assert settled.reason == "not so: most of these have a rank below K - 1"
    moving = judgement("E7", part("E7-ufm", relu(14, 16, rank=9, status="not converged")), *NETWORKS)
    assert moving.reason == "UFM: 14 of the 14 runs below the bound there still have rank K - 1 at the horizon"


def test_e7_does_not_take_runs_that_still_move_above_the_bound_as_evidence_against_it():
    found = judgement("E7", part("E7-ufm", relu(2, 16, status="not converged")), *NETWORKS)
    assert (found.verdict, found.reason) == (
        "out of reach here",
        "UFM: not at any initial scale by the horizon, where most runs above the bound still moved",
    )
    below = judgement("E7", part("E7-ufm", relu(14, 16, status="not converged")), *NETWORKS)
    assert below.verdict == "reproduced"
    assert "16 of 16 still moved at the horizon" in below.ours


def test_e7_with_diverged_runs_only():
    found = judgement("E7", part("E7-ufm", seeds("diverged", "diverged", dnc_loss=0.147)), *NETWORKS)
    assert (found.verdict, found.ours[:23]) == ("not reproduced", "UFM: all runs diverged.")


def test_e7_looks_at_the_networks_that_there_are():
    model = part("E7-ufm", relu(16, 16))
    found = judgement("E7", model, part("E7-mnist", [network(rank_paper=9, rank=8, converged=False)]))
    assert found.verdict == "reproduced with conditions"
    assert "MNIST: rank 9 above 1e-6, 8 above 1e-3 of the largest, at the horizon" in found.reason
    assert "E7-cifar10: not run at this size (small)" in found.reason
    high = judgement("E7", model, part("E7-mnist", [network(rank_paper=9)]), NETWORKS[1])
    assert high.reason == "not so: every network's rank is below K - 1"
    above = network(below_bound=False, loss=0.3)
    refuted = judgement("E7", model, part("E7-mnist", [above]), NETWORKS[1])
    assert refuted.reason == "not so: every network ends below linear DNC"
    cut = judgement("E7", model, part("E7-mnist", [above | {"converged": False}]), NETWORKS[1])
    assert cut.verdict == "reproduced with conditions"
    assert "left out: ResNet-20 on MNIST, cut off above the bound" in cut.reason
