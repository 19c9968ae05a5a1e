"""E8: the Hessian at collapse has no negative eigenvalue."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["E8"]

_ROUNDING = 1e-9  # of the decay: an eigenvalue below -1e-9 decay is negative


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "E8", "T4") if entry.numbers]
    papers = [entry for entry in entries if (entry.classes, entry.layers) == (10, 2)]
    unstable = [entry for entry in entries if entry.numbers["negative"]]
    checks = {
        "the paper's setting is among the runs": bool(papers),
        "no negative eigenvalue there": bool(papers) and all(_semidefinite(entry) for entry in papers),
        "eigenvalues are negative only above the decay that theory gives": all(
            _semidefinite(entry) == (entry.decay <= entry.numbers["decay_max"]) for entry in entries
        ),
        **recheck_checks(entries),
    }
    return judged(checks, ours=_ours(entries, papers, unstable), numbers=_numbers(entries))


def _semidefinite(entry: Certified) -> bool:
    return entry.numbers["negative"] == 0 and entry.numbers["minimum_over_decay"] >= -_ROUNDING


def _ours(entries: list[Certified], papers: list[Certified], unstable: list[Certified]) -> str:
    if not entries:
        return "No setting has a DNC point."
    at = "not run"
    if papers:
        numbers = papers[0].numbers
        at = (
            f"{numbers['negative']} negative eigenvalues, {numbers['nullity']} zero ones, up to decay "
            f"{numbers['decay_max']:.4g}"
        )
    beyond = f"; negative ones at {listed(unstable)}" if unstable else "; none negative elsewhere"
    return (
        f"K = 10, L = 2: {at}. Of {len(entries)} settings at n = {entries[0].samples}, d = {entries[0].width}, "
        f"{len(entries) - len(unstable)} have none{beyond}."
    )


def _numbers(entries: list[Certified]) -> dict[str, object]:
    names = ("negative", "nullity", "minimum_over_decay", "decay_max", "verdict")
    return {
        "settings": [
            {"classes": entry.classes, "layers": entry.layers, "decay": entry.decay, "agrees": entry.agrees}
            | {name: entry.numbers[name] for name in names}
            for entry in entries
        ]
    }


E8 = Claim(
    id="E8",
    title="No negative curvature at collapse",
    setting="linear UFM, L = 2, K = 10, d = 70, n = 5, decay 2^-10; here also other K and L",
    paper="The Hessian at DNC has no negative eigenvalues.",
    needs=("E8",),
    judge=_judge,
)
