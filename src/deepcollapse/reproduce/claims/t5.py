"""T5: the dimension ratio grows with the width, and what of the measured rates it explains."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import rankdata

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.acceleration import audit_of
from deepcollapse.reproduce.claims.ends import Ends, ends_by, points, quoted
from deepcollapse.reproduce.claims.theorem import Certified, certified, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["T5"]

_NAMES = ("width", "init_scale")
_AUDITS = ("E2-audit",)
_LOW, _HIGH = 0.25, 0.75  # rates between which the rise is looked at


def _judge(found: Evidence) -> Judgement:
    entries = sorted(certified(found, "T5", "T5"), key=lambda entry: entry.width)
    ratios = {entry.width: entry.numbers["ratio"] for entry in entries}
    limit = entries[0].numbers["ratio_limit"]
    rows = found.parts["E2"].rows
    ends, audit = ends_by(rows, *_NAMES), audit_of(found, rows, _AUDITS)
    rates = {f"{scale:g}": _rates(points(ends, scale, at=1), ratios) for scale in sorted({p.key[1] for p in ends})}
    checks = {
        f"the {count} count's ratio grows with the width and stays below (K - 1) / r": _grows(
            [ratio[count] for ratio in ratios.values()], limit
        )
        for count in ("exact", "paper")
    }
    return judged(
        checks | _rises(rates) | recheck_checks(entries),
        ours=" ".join(filter(None, [_ours(ratios, limit, rates), audit and audit.sentence])),
        numbers={
            "ratio_limit": limit,
            "ratios": {str(width): ratio for width, ratio in ratios.items()},
            "rates": rates,
            "audit": audit and audit.as_json(),
        },
        conditions=[*_conditions(entries, rates, ends), *(audit.conditions if audit else [])],
    )


def _grows(ratios: Sequence[float | None], limit: float) -> bool:
    known = [ratio for ratio in ratios if ratio is not None]
    return len(known) > 1 and all(a < b for a, b in pairwise(known)) and known[-1] < limit


def _rises(rates: Mapping[str, Mapping[str, Any]]) -> dict[str, bool]:
    """That the measured rate follows R at some initial scale, of those at which it changes at all."""
    known = [one["rank_correlation"] for one in rates.values() if one["rank_correlation"] is not None]
    check = "at some initial scale the measured DNC rate grows with R(d): rank correlation above 0"
    return {check: max(known) > 0.0} if known else {}


def _rates(ends: Sequence[Ends], ratios: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """The measured rates of one scale beside R(d), and their rank correlation."""
    shared = [point for point in ends if point.key[0] in ratios and point.dnc.value is not None]
    shares = [point.dnc.value for point in shared]
    exact = [ratios[point.key[0]]["exact"] for point in shared]
    varied = len(set(shares)) > 1 and len(shares) > 2
    return {
        "widths": [point.key[0] for point in shared],
        "rates": shares,
        "intervals": [point.dnc.interval for point in shared],
        "exact_ratios": exact,
        "rank_correlation": float(np.corrcoef(rankdata(exact), rankdata(shares))[0, 1]) if varied else None,
    }


def _conditions(entries: Sequence[Certified], rates: Mapping[str, Any], ends: Sequence[Ends]) -> list[str]:
    """What the ratio does not tell about gradient descent, as the runs show."""
    conditions = []
    flat = [scale for scale, one in rates.items() if one["rank_correlation"] is None]
    if flat:
        conditions.append(f"at initial scale {', '.join(flat)} the rate is the same at all widths, whatever R(d)")
    conditions += [
        f"at initial scale {scale} the rate does not grow with R(d): rank correlation {one['rank_correlation']:.2f}"
        for scale, one in rates.items()
        if one["rank_correlation"] is not None and one["rank_correlation"] <= 0.0
    ]
    contrast = _contrast(ends)
    if contrast:
        conditions.append(f"the ratio alone does not give the rate: {contrast}")
    below = [
        entry.width for entry in entries if entry.numbers["ratio"]["paper"] < 1.0 <= entry.numbers["ratio"]["exact"]
    ]
    if below:
        conditions.append(
            f"the paper's count puts R below 1 at width {', '.join(map(str, below))}, the exact one does not"
        )
    return conditions


def _contrast(ends: Sequence[Ends]) -> str | None:
    """The width at which two initial scales differ most, if their intervals are disjoint: R(d) is the same there."""
    best: tuple[float, str] | None = None
    for width in sorted({point.key[0] for point in ends}):
        known = [point for point in points(ends, width, at=0) if point.dnc.interval is not None]
        if len(known) < 2:
            continue
        low, high = (choose(known, key=lambda point: point.dnc.count / point.runs) for choose in (min, max))
        lead = (high.dnc.interval or (0.0,))[0] - (low.dnc.interval or (0.0, 1.0))[1]
        if lead > 0 and (best is None or lead > best[0]):
            told = f"scale {low.key[1]:g} {quoted(low.dnc)}, scale {high.key[1]:g} {quoted(high.dnc)}"
            best = lead, f"at width {width}, with one R(d), {told}"
    return None if best is None else best[1]


def _ours(ratios: Mapping[int, Mapping[str, float]], limit: float, rates: Mapping[str, Any]) -> str:
    widths = sorted(ratios)
    narrow, wide = ratios[widths[0]], ratios[widths[-1]]
    sentences = [
        f"From d = {widths[0]} to {widths[-1]} the exact R(d) grows from {narrow['exact']:.3f} to {wide['exact']:.3f} "
        f"and the paper's count from {narrow['paper']:.3f} to {wide['paper']:.3f}; limit {limit:g}"
    ]
    for scale, one in rates.items():
        if one["rates"]:
            sentences.append(_beside(scale, one))
    return ". ".join(sentences) + "."


def _beside(scale: str, one: Mapping[str, Any]) -> str:
    """The measured rates of one scale beside R: where they rise, and by how much R does there."""
    shares, ratios, widths = one["rates"], one["exact_ratios"], one["widths"]
    low = max((place for place, share in enumerate(shares) if share <= _LOW), default=None)
    high = next((place for place, share in enumerate(shares) if share >= _HIGH), None)
    correlation = one["rank_correlation"]
    told = "" if correlation is None else f", rank correlation with R {correlation:.2f}"
    if low is None or high is None or low >= high:
        return f"At initial scale {scale} the DNC rate is {min(shares):.2f} to {max(shares):.2f}{told}"
    return (
        f"At initial scale {scale} the DNC rate rises from {shares[low]:.2f} at d = {widths[low]} to "
        f"{shares[high]:.2f} at {widths[high]}, and R from {ratios[low]:.3f} to {ratios[high]:.3f}{told}"
    )


T5 = Claim(
    id="T5",
    title="Wider networks have relatively more collapsed solutions",
    setting="linear UFM, K = 10, L = 2, n = 5, decay 2^-10; widths of E2",
    paper="The ratio R(d) of the dimensions of the DNC and a low-rank solution set grows with d towards (K - 1) / r, "
    "which is offered as the reason why DNC is found more often.",
    needs=("T5", "E2"),
    also=_AUDITS,
    judge=_judge,
)
