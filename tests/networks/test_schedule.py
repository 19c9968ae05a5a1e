"""Schedules against their formulas, and the rates that a descent asks for."""

import math

import pytest

from deepcollapse.errors import InvalidInputError
from deepcollapse.networks.descent import Descent
from deepcollapse.networks.schedule import Constant, Cosine, Schedule, Steps, WarmUp

ALL = (Constant(), Cosine(), Cosine(floor=0.2), Steps(at=(3, 7)), WarmUp(steps=4), WarmUp(steps=4, then=Cosine()))


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_contract(schedule: Schedule):
    assert isinstance(schedule, Schedule)
    shares = [schedule.share(step, 10) for step in range(11)]
    assert shares == [schedule.share(step, 10) for step in range(11)]
    assert all(0 <= share <= 1 for share in shares)
    peak = shares.index(max(shares))
    assert max(shares) == 1.0
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def test_cosine_spans_the_horizon_and_stays():
    shares = [Cosine(floor=0.1).share(step, 8) for step in range(10)]
    assert (shares[0], shares[4], shares[8], shares[9]) == pytest.approx((1.0, 0.55, 0.1, 0.1), rel=1e-15)
    assert shares[2] == pytest.approx(0.1 + 0.9 * math.cos(math.pi / 8) ** 2, rel=1e-14)


def test_steps_multiply_at_every_milestone():
    assert [Steps(at=(2, 3), factor=0.5).share(step, 5) for step in range(5)] == [1, 1, 0.5, 0.25, 0.25]


def test_warm_up_is_linear_and_then_counts_anew():
    warm = WarmUp(steps=2, then=Cosine())
    assert [warm.share(step, 10) for step in range(2)] == [0.5, 1.0]
    assert [warm.share(step, 10) for step in range(2, 11)] == [Cosine().share(step, 8) for step in range(9)]
    assert WarmUp(steps=20).share(10, 5) == 11 / 20


def test_rate_is_the_share_of_the_full_one():
    descent = Descent(rate=0.4, steps_max=10, schedule=Steps(at=(5,), factor=0.25))
    assert [descent.rate_at(step) for step in (0, 4, 5)] == [0.4, 0.4, 0.1]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Cosine(floor=1.5), r"floor: expected a share from 0 to 1, but found 1.5"),
        (lambda: Steps(at=()), r"at: expected increasing updates >= 1, but found \(\)"),
        (lambda: Steps(at=(5, 5)), r"at: expected increasing updates >= 1, but found \(5, 5\)"),
        (lambda: Steps(at=(0,)), r"at: expected increasing updates >= 1, but found \(0,\)"),
        (lambda: Steps(at=(5,), factor=0.0), r"factor: expected 0 < factor <= 1, but found 0.0"),
        (lambda: WarmUp(steps=0), r"steps: expected at least 1, but found 0; leave the warm-up out"),
    ],
)
def test_bad_schedules(build, message: str):
    with pytest.raises(InvalidInputError, match=message):
        build()
