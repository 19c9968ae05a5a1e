"""E3: the smaller the decay, the oftener gradient descent ends in collapse."""

from collections.abc import Sequence

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.ends import Ends, trend_broken
from deepcollapse.reproduce.claims.spans import short
from deepcollapse.reproduce.claims.sweeps import Lines, sweep_judgement
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement

__all__ = ["E3"]

_AUDITS = ("E3-audit", "E2-audit")
_SAME = 1e-4  # of relative gaps: losses of ends of one structure agree to 1e-5 each


def _judge(found: Evidence) -> Judgement:
    return sweep_judgement(
        found,
        "E3",
        setting="decay",
        falling=True,
        audits=_AUDITS,
        check="at some initial scale DNC rate and mean rank grow as the decay falls, and losses approach",
        shows=_shown,
        told=lambda lines: " ".join(filter(None, [_gaps(lines), *_pairs(lines)])),
        conditions=_by_share_only,
    )


def _shown(line: Sequence[Ends]) -> dict[str, bool]:
    """What the points of one scale, by falling decay, show; the growth is one beyond chance: disjoint intervals."""
    first, last = line[0], line[-1]
    intervals = first.dnc.interval, last.dnc.interval
    return {
        "runs decided": all(point.settled for point in line),
        "rate grows": intervals[0] is not None and intervals[1] is not None and intervals[1][0] > intervals[0][1],
        "rate never falls significantly": not trend_broken([point.dnc for point in line]),
        "mean rank grows": (last.mean_rank or 0.0) > (first.mean_rank or 0.0),
        "mean loss approaches the DNC loss, relatively": first.gap is not None
        and last.gap is not None
        and abs(last.gap) < abs(first.gap),
    }


def _gaps(lines: Lines) -> str:
    told = [f"scale {scale:g}: {_percent(line[0].gap)} to {_percent(line[-1].gap)}" for scale, line in lines.items()]
    return f"Mean loss below DNC by {'; '.join(told)}."


def _percent(gap: float | None) -> str:
    return "-" if gap is None else f"{gap:.1%}"


def _pairs(lines: Lines) -> list[str]:
    """How far paired ends alone are below collapse, which tells whether losses approach or only shares change."""
    return [
        f"Paired ends alone at scale {scale:g}: {_percent(ends[0].paired_gap)} at decay {short(ends[0].key[0])}, "
        f"{_percent(ends[-1].paired_gap)} at {short(ends[-1].key[0])}."
        for scale, line in lines.items()
        if (ends := _with_pairs(line))
    ]


def _with_pairs(line: Sequence[Ends]) -> list[Ends]:
    return [point for point in line if point.paired_gap is not None]


def _by_share_only(met: Lines) -> list[str]:
    """Where the mean loss approaches that of collapse only because more runs end there."""
    return [
        f"losses approach only through the share of DNC: paired ends alone stay {_percent(first)} to {_percent(last)} "
        f"below it at scale {scale:g}"
        for scale, line in met.items()
        if len(ends := _with_pairs(line)) > 1
        and abs(last := ends[-1].paired_gap or 0.0) > abs(first := ends[0].paired_gap or 0.0) - _SAME
    ]


E3 = Claim(
    id="E3",
    title="Collapse becomes more frequent as the decay falls",
    setting="linear UFM, L = 2, d = 70, K = 10, n = 5, learning rate 0.5, several decays",
    paper="The DNC rate and the rank grow as the decay falls, and the losses of DNC and of runs approach each other.",
    needs=("E3",),
    also=_AUDITS,
    judge=_judge,
)
