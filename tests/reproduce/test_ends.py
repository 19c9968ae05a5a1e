"""Counts with intervals; undecided seeds are counted and leave room in the interval."""

import math

import pytest

from deepcollapse.reproduce.claims.ends import ends_by, quoted, trend_broken
from deepcollapse.simulate import rate
from reproduce.synthetic import DNC_LOSS, PAIRED_LOSS, many, seeds


def wilson(count: int, total: int) -> tuple[float, float]:
    """By its definition: the two q with (p - q)^2 = z^2 q (1 - q) / total."""
    z, p = 1.959963984540054, count / total
    centre = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    return centre - half, centre + half


def test_ends_are_counted_by_setting():
    rows = [*seeds("dnc", "paired", "paired", "not converged", "diverged", width=70), *many(2, 2, width=10)]
    narrow, wide = ends_by(rows, "width")
    assert (narrow.key, wide.key) == ((10,), (70,))
    assert (wide.runs, wide.decided, wide.diverged, wide.settled) == (5, 3, 1, False)
    assert (wide.ranks, wide.structures) == ({5: 2, 9: 1}, {"paired": 2, "dnc": 1})
    assert wide.dnc.interval == pytest.approx((wilson(1, 5)[0], wilson(3, 5)[1]))
    assert wide.mean_rank == pytest.approx(19 / 3)
    assert wide.gap == pytest.approx((DNC_LOSS - PAIRED_LOSS) * 2 / 3 / DNC_LOSS)
    assert (wide.paired.count, wide.paired.undecided, narrow.paired_gap) == (2, 2, None)
    assert wide.paired_gap == pytest.approx((DNC_LOSS - PAIRED_LOSS) / DNC_LOSS)
    assert narrow.settled
    assert wide.as_json(["width"])["undecided"] == 2


@pytest.mark.parametrize("status", ["settled", "zero"])
def test_settled_seeds_are_decided(status):
    (point,) = ends_by([row | {"status": status} for row in many(1, 4)], "width")
    assert (point.decided, point.dnc.value) == (4, 0.25)


def test_nothing_decided_means_nothing_known():
    (point,) = ends_by(seeds("not converged", "diverged"), "width")
    assert (point.dnc.value, point.mean_rank, point.mean_loss, point.gap) == (None, None, None, None)
    assert quoted(point.dnc) == "0/2, 2 undecided (95%: 0.00 to 1.00)"


def test_a_trend_is_broken_by_disjoint_intervals_only():
    assert not trend_broken([rate(count, 16) for count in (0, 4, 3, 16)])
    assert trend_broken([rate(count, 16) for count in (0, 16, 3, 16)])
    assert not trend_broken([rate(0, 0), rate(0, 16)])
