"""T6: Hessian norms at collapse and at pairs stay comparable."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged, out_of_reach

__all__ = ["T6"]

_NORMS = ("trace", "frobenius", "operator")
_FACTOR = 2.0
"""Ratios between 1/2 and 2 at every decay are called comparable; by how much they change is in the numbers."""


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T6", "T6") if entry.applies and entry.numbers["ratios"]]
    if not entries:
        return out_of_reach("no setting is small enough for exact spectra")
    ratios = [ratio[norm] for entry in entries for ratio in entry.numbers["ratios"] for norm in _NORMS]
    settled = [entry for entry in entries if entry.holds is True]
    open_ = [entry for entry in entries if entry.holds is not True]
    return judged(
        {
            "all ratios stay within a factor of 2": all(1.0 / _FACTOR < ratio < _FACTOR for ratio in ratios),
            "for even K traces come nearer to the limit as the decay falls": all(
                _nearer(entry) for entry in entries if entry.numbers["trace_ratio_limit"] is not None
            ),
            "in some settings all three ratios settle": bool(settled),
            **recheck_checks(entries),
        },
        ours=f"DNC over pairs, three norms, {len(entries)} settings, decays down by 2^16: ratios from "
        f"{min(ratios):.3f} to {max(ratios):.3f}. {_limits(entries)}",
        numbers={
            f"{entry.place}, n = {entry.samples}": {
                "trace_ratio_limit": entry.numbers["trace_ratio_limit"],
                "ratios": entry.numbers["ratios"],
                "settles": entry.holds,
            }
            for entry in entries
        },
        conditions=[f"steps do not shrink yet at the decays reached: {listed(open_)}"] if open_ else [],
    )


def _nearer(entry: Certified) -> bool:
    limit, ratios = entry.numbers["trace_ratio_limit"], entry.numbers["ratios"]
    return abs(ratios[-1]["trace"] - limit) <= abs(ratios[0]["trace"] - limit)


def _limits(entries: list[Certified]) -> str:
    even = [entry for entry in entries if entry.numbers["trace_ratio_limit"] is not None]
    if not even:
        return ""
    one = max(even, key=lambda entry: entry.classes)
    first, last = one.numbers["ratios"][0]["trace"], one.numbers["ratios"][-1]["trace"]
    return (
        f"For even K traces move to a limit, slowly: at K = {one.classes}, L = {one.layers} from {first:.4f} to "
        f"{last:.4f}, limit {one.numbers['trace_ratio_limit']:.4f}."
    )


T6 = Claim(
    id="T6",
    title="Hessian norms at collapse and at pairs are comparable",
    setting="linear UFM, decay to 0",
    paper="The ratio of Hessian norms at DNC and at paired points stays finite as the decay goes to 0.",
    needs=("T6",),
    judge=_judge,
)
