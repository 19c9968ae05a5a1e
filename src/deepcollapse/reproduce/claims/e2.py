"""E2: the wider the network, the oftener gradient descent ends in collapse."""

from collections.abc import Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.acceleration import audited
from deepcollapse.reproduce.claims.ends import Ends, ends_by, points, quoted, trend_broken
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["E2"]

_NAMES = ("width", "init_scale")
_LOW, _HIGH = 0.25, 0.75
"""A share is about 0 if its interval ends below the first, about 1 if it begins above the second: what 16 seeds can
show, 0/16 and 16/16 having the intervals 0 to 0.19 and 0.81 to 1."""


def _judge(found: Evidence) -> Judgement:
    ends = ends_by(found.parts["E2"].rows, *_NAMES)
    scales = sorted({point.key[1] for point in ends})
    shown = {scale: _shown(points(ends, scale, at=1)) for scale in scales}
    met = [scale for scale in scales if all(shown[scale].values())]
    audit_part = found.part("E2-audit")
    audit = audited(found.parts["E2"].rows, audit_part.rows if audit_part else ())
    accelerated = any(row["accelerate"] is not None for row in found.parts["E2"].rows)
    conditions = _conditions(ends, met=met, scales=scales)
    if accelerated and audit.condition:
        conditions.append(audit.condition)
    return judged(
        {"at some initial scale the DNC rate goes from about 0 to about 1 and the mean rank grows": bool(met)},
        ours=" ".join([_ours(ends, scales), *([audit.sentence] if accelerated else [])]),
        numbers={
            "points": [point.as_json(_NAMES) for point in ends],
            "scales": {f"{scale:g}": shown[scale] for scale in scales},
            "audit": audit.as_json() if accelerated else None,
            "not_converged": sum(point.runs - point.converged for point in ends),
        },
        conditions=conditions,
    )


def _shown(ends: Sequence[Ends]) -> dict[str, bool]:
    """What the points of one scale, by width, show."""
    narrow, wide = ends[0], ends[-1]
    return {
        "runs converged": all(point.settled for point in ends),
        "rate about 0 at the least width": narrow.dnc.interval is not None and narrow.dnc.interval[1] < _LOW,
        "rate about 1 at the largest width": wide.dnc.interval is not None and wide.dnc.interval[0] > _HIGH,
        "rate never falls significantly": not trend_broken([point.dnc for point in ends]),
        "mean rank grows": (wide.mean_rank or 0.0) > (narrow.mean_rank or 0.0),
    }


def _conditions(ends: Sequence[Ends], *, met: Sequence[float], scales: Sequence[float]) -> list[str]:
    if not met or list(met) == list(scales):
        return []
    missed = [scale for scale in scales if scale not in met]
    rest = "; ".join(f"scale {scale:g} {quoted(points(ends, scale, at=1)[-1].dnc)}" for scale in missed)
    width = max(point.key[0] for point in ends)
    return [
        f"only at initial scale {_listed(met)} of {_listed(scales)} up to width {width}; there, of the others: {rest}"
    ]


def _ours(ends: Sequence[Ends], scales: Sequence[float]) -> str:
    told = []
    for scale in scales:
        row = points(ends, scale, at=1)
        rates = ", ".join(f"{'-' if point.dnc.value is None else f'{point.dnc.value:.2f}'}" for point in row)
        told.append(f"scale {scale:g}: {rates}, at the last {quoted(row[-1].dnc)}")
    widths = ", ".join(str(width) for width in sorted({point.key[0] for point in ends}))
    lost = sum(point.runs - point.converged for point in ends)
    total = sum(point.runs for point in ends)
    return (
        f"DNC rate at widths {widths}; {'; '.join(told)}. Mean rank from {_mean(ends, 0)} to {_mean(ends, -1)}. "
        f"{lost} of {total} runs did not converge."
    )


def _mean(ends: Sequence[Ends], place: int) -> str:
    """Of all scales, at the least or largest width."""
    width = sorted({point.key[0] for point in ends})[place]
    ranks = [point.mean_rank for point in ends if point.key[0] == width and point.mean_rank is not None]
    return f"{sum(ranks) / len(ranks):.1f}" if ranks else "-"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values)


E2 = Claim(
    id="E2",
    title="Collapse becomes more frequent with the width",
    setting="linear UFM, L = 2, K = 10, n = 5, decay 2^-10, learning rate 0.5, widths d, 10 runs a point",
    paper="The share of runs that end in DNC goes from about 0 to about 1 as d grows, and their rank grows.",
    needs=("E2",),
    also=("E2-audit",),
    judge=_judge,
)
