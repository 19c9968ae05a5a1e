"""Accelerated seeds against the same in full."""

import pytest

from deepcollapse.reproduce.claims.acceleration import audited
from reproduce.synthetic import many, seeds


def full(*ends, **settings):
    return seeds(*ends, accelerate=None, **settings)


def test_equal_ends_agree():
    found = audited(many(4, 16), [*full("dnc", "dnc", "dnc", "dnc", "paired")])
    assert (found.compared, found.left_out, found.other_end.count, found.condition) == (5, 0, 0, None)
    assert found.other_end.interval == pytest.approx((0.0, 1.0 - 0.025**0.2))  # Clopper and Pearson
    assert found.sentence == "Without acceleration 0 of 5 seeds end elsewhere, 0 with another verdict on collapse."


def test_other_ends_are_counted_and_many_are_a_condition():
    found = audited(many(4, 16), full(*["paired"] * 8, *["not converged"] * 2))
    assert (found.compared, found.left_out, found.other_end.count, found.other_call.count) == (8, 2, 4, 4)
    assert found.condition == (
        "accelerated runs, whose verdict on collapse differs from full descent in 4/8 (95%: 0.16 to 0.84)"
    )
    assert found.as_json()["other_call"]["rate"] == 0.5


def test_unnamed_points_of_one_rank_are_told_apart_by_their_loss():
    found = audited(
        seeds("paired", "paired", structure="rank-7"),
        [*full("paired", structure="rank-7", loss=0.0801), *full("paired", first=1, structure="rank-7")],
    )
    assert (found.other_end.count, found.other_call.count) == (1, 0)


def test_other_settings_are_not_compared():
    found = audited(many(4, 16), full("dnc", "dnc", width=71))
    assert (found.compared, found.condition) == (0, "accelerated runs, not compared with full descent")
    assert found.sentence == "The acceleration was not compared with full descent."
