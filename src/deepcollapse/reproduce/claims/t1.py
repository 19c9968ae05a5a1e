"""T1: no collapsed point is a global minimum for K >= 4, L >= 3 or K >= 6, L = 2."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepcollapse.reproduce.claim import Claim
from deepcollapse.reproduce.claims.theorem import Certified, certified, listed, recheck_checks
from deepcollapse.reproduce.evidence import Evidence
from deepcollapse.reproduce.verdict import Judgement, judged
from deepcollapse.theory.t1 import in_range
from deepcollapse.ufm import Problem

__all__ = ["T1"]

_ALSO = ("T1-control", "T1-rigorous", "T1-search")
_BELOW = 1e-9  # relative: searches end within rounding of a minimum


def _judge(found: Evidence) -> Judgement:
    entries = certified(found, "T1", "T1")
    inside = [entry for entry in entries if entry.applies]
    outside = [entry for entry in entries if not entry.applies]
    control = certified(found, "T1-control", "T1") if found.part("T1-control") else []
    proofs = [document["certificate"] for document in _documents(found, "T1-rigorous")]
    searches = _searches(found)
    checks = {
        f"a lower point or no DNC point in all {len(inside)} settings in range": bool(inside)
        and all(entry.holds is True for entry in inside),
        "the equal-scale inequality certifies all of them": all(
            entry.numbers["equal_scale"]["certifies"] for entry in inside
        ),
        **recheck_checks(entries),
        **_beside_checks(control, searches, proofs),
    }
    return judged(
        checks,
        ours=_ours(inside, outside, control, searches=searches, proofs=proofs),
        numbers={
            "in_range": len(inside),
            "beside_range": [_beside(entry) for entry in outside],
            "searches": searches,
            "proofs": proofs,
            "control": [{"place": entry.place, "holds": entry.holds} for entry in control],
        },
        conditions=found.gaps(_ALSO),
    )


def _beside_checks(
    control: list[Certified], searches: list[dict[str, Any]], proofs: list[Mapping[str, Any]]
) -> dict[str, bool]:
    """Each of them only where there is something to check."""
    checks = {
        "the negative control, L = 1, is not certified": [entry.holds is False for entry in control],
        "searches in range find a point below DNC": [one["below"] for one in searches if one["in_range"]],
        "interval arithmetic proves it where asked": [proof["verified"] is True for proof in proofs],
    }
    return {text: all(of) for text, of in checks.items() if of}


def _documents(found: Evidence, name: str) -> Sequence[Mapping[str, Any]]:
    part = found.part(name)
    return part.documents if part else ()


def _searches(found: Evidence) -> list[dict[str, Any]]:
    """The lowest point of every landscape search beside collapse."""
    part = found.part("T1-search")
    lowest: dict[str, Mapping[str, Any]] = {}
    for row in part.rows if part else ():
        if row["run"] not in lowest or row["loss"] < lowest[row["run"]]["loss"]:
            lowest[row["run"]] = row
    names = ("classes", "layers", "decay", "structure", "rank", "loss", "dnc_loss")
    return [
        {name: row[name] for name in names}
        | {
            "below": row["dnc_loss"] is None or row["loss"] < row["dnc_loss"] * (1.0 - _BELOW),
            "in_range": in_range(Problem(classes=row["classes"], layers=row["layers"])),
        }
        for row in lowest.values()
    ]


def _beside(entry: Certified) -> dict[str, Any]:
    names = ("collapse_loss", "competitor", "competitor_loss", "decay_crossing")
    return {"classes": entry.classes, "layers": entry.layers, "decay": entry.decay, "holds": entry.holds} | {
        name: entry.numbers.get(name) for name in names
    }


def _ours(
    inside: list[Certified],
    outside: list[Certified],
    control: list[Certified],
    *,
    searches: list[dict[str, Any]],
    proofs: list[Mapping[str, Any]],
) -> str:
    beyond = [entry for entry in outside if entry.holds is True]
    told = [_search_told(one) for one in searches if not one["in_range"] and one["dnc_loss"] is not None]
    crossing = next((entry.numbers["decay_crossing"] for entry in outside if entry.classes == 4), None)
    sentences = [f"True of {_count(inside)} of {len(inside)} settings in range"]
    if proofs:
        verified = sum(proof["verified"] is True for proof in proofs)
        sentences.append(f"Interval arithmetic proves it of {verified} of {len(proofs)}")
    if control:
        sentences.append(f"With L = 1, where DNC is optimal, it is claimed of {_count(control)} of {len(control)}")
    if beyond:
        sentences.append(f"Beside the range some point is lower too: {listed(beyond)}")
    if crossing is not None:
        sentences.append(f"At K = 4, L = 2 pairs win over DNC above decay {crossing:.5f} only")
    if told:
        sentences.append(f"Searches there: {'; '.join(told)}")
    return ". ".join(sentences) + "."


def _count(entries: list[Certified]) -> int:
    return sum(entry.holds is True for entry in entries)


def _search_told(one: Mapping[str, Any]) -> str:
    place = f"K = {one['classes']}, L = {one['layers']}, decay {one['decay']:.4g}"
    if not one["below"]:
        return f"{place}: nothing below DNC"
    return f"{place}: {one['structure']} of rank {one['rank']} {one['loss']:.6f} against DNC {one['dnc_loss']:.6f}"


T1 = Claim(
    id="T1",
    title="Collapse is not globally optimal",
    setting="linear UFM, d >= K, any decay: K >= 4, L >= 3 or K >= 6, L = 2",
    paper="No DNC point is a global minimum.",
    needs=("T1",),
    also=_ALSO,
    judge=_judge,
)
