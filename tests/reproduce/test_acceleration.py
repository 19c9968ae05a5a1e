"""Accelerated seeds against the same in full."""

import pytest

from deepcollapse.reproduce.claims.acceleration import audit_of, audited
from reproduce.synthetic import evidence, many, part, seeds


def full(*ends, **settings):
    return seeds(*ends, accelerate=None, **settings)


def test_equal_ends_agree():
    found = audited(many(4, 16), [*full("dnc", "dnc", "dnc", "dnc", "paired")])
    assert (found.compared, found.left_out, found.other_end.count) == (5, 0, 0)
    assert found.other_end.interval == pytest.approx((0.0, 1.0 - 0.025**0.2))  # Clopper and Pearson
    assert found.sentence == (
        "Without acceleration, compared at 1 of 1 settings, 0 of 5 seeds end elsewhere, 0 with another verdict on "
        "collapse."
    )


def test_only_the_interval_rules_other_verdicts_out():
    few = audited(many(4, 40), full(*["dnc"] * 4, *["paired"] * 4))
    assert few.conditions == [
        "accelerated runs, compared with full descent at 1 of 1 settings: the verdict on collapse differs in 0/8 "
        "(95%: 0.00 to 0.37)"
    ]
    enough = audited(many(4, 40), full(*["dnc"] * 4, *["paired"] * 36))
    assert enough.conditions == []


def test_other_ends_are_counted_and_many_are_a_condition():
    found = audited(many(4, 16), full(*["paired"] * 8, *["not converged"] * 2))
    assert (found.compared, found.left_out, found.other_end.count, found.other_call.count) == (8, 2, 4, 4)
    assert found.conditions[0].endswith("the verdict on collapse differs in 4/10, 2 undecided (95%: 0.12 to 0.88)")
    assert found.as_json()["other_call"]["rate"] is None


def test_unnamed_points_of_one_rank_are_told_apart_by_their_loss():
    found = audited(
        seeds("paired", "paired", structure="rank-7"),
        [*full("paired", structure="rank-7", loss=0.0801), *full("paired", first=1, structure="rank-7")],
    )
    assert (found.other_end.count, found.other_call.count) == (1, 0)


def test_the_settings_that_were_compared_are_counted():
    rows = [row for width in (10, 20, 30) for row in many(4, 16, width=width)]
    found = audited(rows, [*full("dnc", "dnc", width=10), *full("not converged", width=20), *full("dnc", width=40)])
    assert (found.settings, found.settings_total) == (1, 3)
    assert (found.as_json()["settings_compared"], found.as_json()["settings_total"]) == (1, 3)
    assert "compared at 1 of 3 settings" in found.sentence


def test_other_settings_are_not_compared():
    found = audited(many(4, 16), full("dnc", "dnc", width=71))
    assert (found.compared, found.conditions) == (0, ["accelerated runs, not compared with full descent"])
    assert found.sentence == "The acceleration was not compared with full descent."


def test_full_descent_needs_no_audit():
    found = evidence(part("E2-audit", full("dnc")))
    assert audit_of(found, full("dnc"), ["E2-audit"]) is None
    checked = audit_of(found, many(1, 1), ["E2-audit", "E3-audit"])
    assert checked is not None
    assert checked.compared == 1
