"""T3: in deep networks the minimiser keeps at most two singular values."""

from itertools import pairwise
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["T3"]


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T3", "T3") if entry.applies]
    settled = [entry for entry in entries if entry.holds is True]
    open_ = [entry for entry in entries if entry.holds is not True]
    return judged(
        {
            "in some settings the deepest minimiser known has rank q_K": bool(settled),
            "the rank of the minimiser never grows with depth": all(_falls(entry) for entry in entries),
            "the proven bound falls with depth once it says something": all(_bound_falls(entry) for entry in entries),
            **recheck_checks(entries),
        },
        ours=_ours(entries, settled),
        numbers={entry.place: _depths(entry) for entry in entries},
        conditions=[f"not yet at the greatest depth: {listed(open_)}"] if open_ else [],
    )


def _ours(entries: list[Certified], settled: list[Certified]) -> str:
    deepest = [entry.numbers["depths"][-1] for entry in entries]
    if not deepest:
        return "No setting is in the theorem's range."
    return (
        f"With decay / L^2 the lowest point known reaches rank q_K in {len(settled)} of {len(entries)} settings "
        f"({_from(settled)}). For every global minimiser the next singular value of Z / ||Z|| is proven to be at most "
        f"{max(depth['bound'] for depth in deepest):.2g} at L = {deepest[0]['layers']}."
    )


def _falls(entry: Certified) -> bool:
    ranks = [depth["rank"] for depth in entry.numbers["depths"] if depth["rank"] > 0]
    return all(deep <= shallow for shallow, deep in pairwise(ranks))


def _bound_falls(entry: Certified) -> bool:
    """Once below its trivial value, that of every matrix."""
    bounds = [depth["bound"] for depth in entry.numbers["depths"]]
    telling = [bound for bound in bounds if bound < bounds[0]]
    return all(deep < shallow for shallow, deep in pairwise(telling))


def _from(settled: list[Certified]) -> str:
    """The depths at which rank q_K is reached."""
    first = [
        next(depth["layers"] for depth in entry.numbers["depths"] if 0 < depth["rank"] <= entry.numbers["least_rank"])
        for entry in settled
    ]
    return f"from L = {min(first)} to {max(first)} on" if first else "never"


def _depths(entry: Certified) -> list[dict[str, Any]]:
    names = ("layers", "structure", "rank", "loss", "bound")
    return [{name: depth[name] for name in names} for depth in entry.numbers["depths"]]


T3 = Claim(
    id="T3",
    title="In deep networks at most two singular values stay",
    setting="linear UFM, decay o(1/L), here decay / L^2, L up to 64",
    paper="The optimal logits keep at most q_K <= 2 singular values that are not exponentially small in L.",
    needs=("T3",),
    judge=_judge,
)
