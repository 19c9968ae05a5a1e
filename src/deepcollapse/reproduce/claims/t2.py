"""T2: low rank wins at depth."""

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged

__all__ = ["T2"]


def _judge(found: Evidence) -> Judgement:
    entries = [entry for entry in certified(found, "T2", "T2") if entry.applies]
    crossed = [entry for entry in entries if entry.holds is True]
    open_ = [entry for entry in entries if entry.holds is None]
    depths = {entry.place: entry.numbers["crossing_depth"] for entry in entries}
    found_depths = [depth for table in depths.values() for depth in table.values() if depth is not None]
    most = max((entry.numbers["layers_max"] for entry in entries), default=0)
    deepest = max(found_depths, default=0)
    return judged(
        {
            "some pair of structures crosses in every setting": bool(entries)
            and all(any(d.values()) for d in depths.values()),
            "no pair is known never to cross": all(entry.holds is not False for entry in entries),
            **recheck_checks(entries),
        },
        ours=f"In {len(crossed)} of {len(entries)} settings the structure of lower rank wins in every pair by depth "
        f"{deepest} at the latest; {_example(depths)}.",
        numbers={"crossing_depths": depths, "layers_max": most},
        conditions=[f"not all pairs cross by depth {most} at {listed(open_)}"] if open_ else [],
    )


def _example(depths: dict[str, dict[str, int | None]]) -> str:
    """The crossings of the setting with most of them."""
    if not depths:
        return "no setting is in the theorem's range"
    place = max(depths, key=lambda name: len(depths[name]))
    return f"at {place}: " + ", ".join(f"{pair} from L = {depth}" for pair, depth in depths[place].items())


T2 = Claim(
    id="T2",
    title="At depth the lower rank wins",
    setting="linear UFM, fixed decay, L growing; simplex, pairs, T_m and circle",
    paper="A structure loses to any diagonally superior matrix of lower rank once L is large enough.",
    needs=("T2",),
    judge=_judge,
)
