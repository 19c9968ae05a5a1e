"""E3: the smaller the decay, the oftener gradient descent ends in collapse."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.acceleration import audited
from deepcollapse.reproduce.claims.ends import Ends, ends_by, points, quoted, trend_broken
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["E3"]

_NAMES = ("decay", "init_scale")


def _judge(found: Evidence) -> Judgement:
    rows = found.parts["E3"].rows
    ends = ends_by(rows, *_NAMES)
    scales = sorted({point.key[1] for point in ends})
    shown = {scale: _shown(_falling(ends, scale)) for scale in scales}
    met = [scale for scale in scales if all(shown[scale].values())]
    audits = [part.rows for name in ("E3-audit", "E2-audit") if (part := found.part(name))]
    audit = audited(rows, [row for group in audits for row in group])
    accelerated = any(row["accelerate"] is not None for row in rows)
    conditions = _conditions(ends, met=met, scales=scales)
    if accelerated and audit.condition:
        conditions.append(audit.condition)
    return judged(
        {"at some initial scale DNC rate and mean rank grow as the decay falls, and losses approach": bool(met)},
        ours=" ".join([_ours(ends, scales, rows), *([audit.sentence] if accelerated else [])]),
        numbers={
            "points": [point.as_json(_NAMES) for point in ends],
            "scales": {f"{scale:g}": shown[scale] for scale in scales},
            "audit": audit.as_json() if accelerated else None,
            "not_converged": sum(point.runs - point.converged for point in ends),
        },
        conditions=conditions,
    )


def _falling(ends: Sequence[Ends], scale: float) -> list[Ends]:
    """The points of one scale, by falling decay."""
    return points(ends, scale, at=1)[::-1]


def _shown(ends: Sequence[Ends]) -> dict[str, bool]:
    """What the points of one scale, by falling decay, show; the growth is one beyond chance: disjoint intervals."""
    first, last = ends[0], ends[-1]
    intervals = first.dnc.interval, last.dnc.interval
    return {
        "runs converged": all(point.settled for point in ends),
        "rate grows": intervals[0] is not None and intervals[1] is not None and intervals[1][0] > intervals[0][1],
        "rate never falls significantly": not trend_broken([point.dnc for point in ends]),
        "mean rank grows": (last.mean_rank or 0.0) > (first.mean_rank or 0.0),
        "mean loss approaches the DNC loss, relatively": first.gap is not None
        and last.gap is not None
        and last.gap < first.gap,
    }


def _conditions(ends: Sequence[Ends], *, met: Sequence[float], scales: Sequence[float]) -> list[str]:
    if not met or list(met) == list(scales):
        return []
    missed = [scale for scale in scales if scale not in met]
    rest = "; ".join(f"scale {scale:g} {quoted(_falling(ends, scale)[-1].dnc)}" for scale in missed)
    return [
        f"only at initial scale {', '.join(f'{scale:g}' for scale in met)}; DNC at the least decay elsewhere: {rest}"
    ]


def _ours(ends: Sequence[Ends], scales: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for scale in scales:
        row = _falling(ends, scale)
        rates = ", ".join("-" if point.dnc.value is None else f"{point.dnc.value:.2f}" for point in row)
        gaps = " to ".join("-" if point.gap is None else f"{point.gap:.1%}" for point in (row[0], row[-1]))
        told.append(f"scale {scale:g}: {rates} ({quoted(row[-1].dnc)} at the last), mean loss below DNC by {gaps}")
    decays = sorted({point.key[0] for point in ends}, reverse=True)
    lost = sum(point.runs - point.converged for point in ends)
    return (
        f"DNC rate from decay {decays[0]:.3g} to {decays[-1]:.3g}; {'; '.join(told)}. {_pairs(rows)}{lost} of "
        f"{len(rows)} runs did not converge."
    )


def _pairs(rows: Sequence[Mapping[str, Any]]) -> str:
    """How far paired ends alone are below collapse, which tells whether losses approach or only shares change."""
    paired = sorted((row["decay"], row["loss"], row["dnc_loss"]) for row in rows if _is_paired(row))
    if not paired:
        return ""
    gaps = [(dnc - loss) / dnc for _, loss, dnc in (paired[-1], paired[0])]
    return (
        f"Paired ends alone are below DNC by {gaps[0]:.1%} at decay {paired[-1][0]:.3g} and {gaps[1]:.1%} at "
        f"{paired[0][0]:.3g}. "
    )


def _is_paired(row: Mapping[str, Any]) -> bool:
    return row["status"] == "converged" and row["structure"] == "paired" and row["dnc_loss"] is not None


E3 = Claim(
    id="E3",
    title="Collapse becomes more frequent as the decay falls",
    setting="linear UFM, L = 2, d = 70, K = 10, n = 5, learning rate 0.5, several decays",
    paper="The DNC rate and the rank grow as the decay falls, and the losses of DNC and of runs approach each other.",
    needs=("E3",),
    also=("E3-audit", "E2-audit"),
    judge=_judge,
)
