"""E2: the wider the network, the oftener gradient descent ends in collapse."""

from collections.abc import Sequence

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.ends import Ends, trend_broken
from deepcollapse.reproduce.claims.sweeps import Lines, sweep_judgement
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement

__all__ = ["E2"]

_AUDITS = ("E2-audit",)
_LOW, _HIGH = 0.25, 0.75
"""A share is about 0 if its interval ends below the first, about 1 if it begins above the second: what 16 seeds can
show, 0/16 and 16/16 having the intervals 0 to 0.19 and 0.81 to 1."""


def _judge(found: Evidence) -> Judgement:
    return sweep_judgement(
        found,
        "E2",
        setting="width",
        audits=_AUDITS,
        check="at some initial scale the DNC rate goes from about 0 to about 1 and the mean rank grows",
        shows=_shown,
        told=_ranks,
    )


def _shown(line: Sequence[Ends]) -> dict[str, bool]:
    """What the points of one scale, by width, show."""
    narrow, wide = line[0], line[-1]
    return {
        "runs decided": all(point.settled for point in line),
        "rate about 0 at the least width": narrow.dnc.interval is not None and narrow.dnc.interval[1] < _LOW,
        "rate about 1 at the largest width": wide.dnc.interval is not None and wide.dnc.interval[0] > _HIGH,
        "rate never falls significantly": not trend_broken([point.dnc for point in line]),
        "mean rank grows": (wide.mean_rank or 0.0) > (narrow.mean_rank or 0.0),
    }


def _ranks(lines: Lines) -> str:
    return f"Mean rank from {_mean(lines, 0)} to {_mean(lines, -1)}."


def _mean(lines: Lines, place: int) -> str:
    """Of all scales, at the least or largest width."""
    ranks = [rank for line in lines.values() if (rank := line[place].mean_rank) is not None]
    return f"{sum(ranks) / len(ranks):.1f}" if ranks else "-"


E2 = Claim(
    id="E2",
    title="Collapse becomes more frequent with the width",
    setting="linear UFM, L = 2, K = 10, n = 5, decay 2^-10, learning rate 0.5, widths d, 10 runs a point",
    paper="The share of runs that end in DNC goes from about 0 to about 1 as d grows, and their rank grows.",
    needs=("E2",),
    also=_AUDITS,
    judge=_judge,
)
